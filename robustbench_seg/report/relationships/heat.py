"""Matrices as tables and heat maps: the retained performance of each task under each attacked objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from robustbench_seg.report.canvas import short, titled
from robustbench_seg.report.cells import DASH, Line, Table, ratio_cell
from robustbench_seg.report.relationships.drawing import matrix_figures, task_axis
from robustbench_seg.report.relationships.matrix import Matrix, leading
from robustbench_seg.report.relationships.objectives import SIDE_NAMES, SIDES, described, group, is_own
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Part, Section
from robustbench_seg.results.names import images_text, metric_name, norm_name, strength, task_name
from robustbench_seg.results.rows import unique

_SCALE = colormaps["Oranges_r"].with_extremes(bad="#e9e9e9")
"""One hue from dark (all lost) to white (nothing lost): its lightness alone shows the order. Grey is missing."""
_DARKEST = -0.087
"""What the darkest shade of the scale would stand for: all lost is a little lighter, so that numbers can be read."""
_DARK = 0.17
"""Below this a cell is so dark that white contrasts more than black."""
_INK = "#222222"


def section(study: Study) -> Section | None:
    """A heat map and tables for every setting; attacks that are not the foremost of their model are folded."""
    shown = leading(study.sweeps)
    text = (
        "Retained performance of each task (columns) under each attacked loss (rows), with its 95 % interval; framed: "
        "the task itself is attacked."
    )
    figures = matrix_figures("matrix", [sweep.chosen for sweep in study.sweeps], text, matrix_figure)
    parts = [
        Part(
            f"{sweep.setting.where}, {sweep.setting.how}",
            files,
            [matrix_table(sweep.chosen)],
            [matrix_table(matrix) for matrix in sweep.others],
            is_open=sweep in shown,
        )
        for sweep, files in zip(study.sweeps, figures, strict=True)
    ]
    title = "Attacked losses against measured tasks"
    return Section("matrices", "Matrices", title, parts=parts) if parts else None


def matrix_table(matrix: Matrix) -> Table:
    """Objectives by tasks: Q, its interval and the attacked value."""
    sides = [group(task) for task in matrix.tasks]
    spans = tuple((SIDE_NAMES[side], sides.count(side)) for side in SIDES if side in sides)
    lines = [
        Line(
            described(objective).title,
            described(objective).role,
            tuple(ratio_cell(matrix.cells.get((objective, task))) for task in matrix.tasks),
        )
        for objective in matrix.objectives
    ]
    over = images_text([row.n_images for row in matrix.cells.values()])
    return Table(f"{matrix.title}, {over}", "attacked", task_heads(matrix), tuple(lines), spans)


def task_heads(matrix: Matrix) -> tuple[str, ...]:
    """The names of the tasks measured, with the metric where there is a value."""
    metrics = {
        row.task: f", {metric_name(row.task, row.metric)}" for row in matrix.cells.values() if row.clean is not None
    }
    return tuple(task_name(task) + metrics.get(task, "") for task in matrix.tasks)


def matrix_figure(matrix: Matrix) -> Figure | None:
    """The heat map of a matrix; None where a single objective was attacked."""
    if len(matrix.objectives) < 2:
        return None
    return heat_figure([matrix], f"{matrix.setting.where}: {matrix.setting.how}")


def heat_figure(matrices: Sequence[Matrix], title: str) -> Figure:
    """Heat maps side by side, of one model, data set and attack; rows are those of any of them."""
    objectives = unique([objective for matrix in matrices for objective in matrix.objectives])
    widths = [len(matrix.tasks) for matrix in matrices]
    width = max(2.7 + sum(0.98 * each + 0.3 for each in widths), 6.6)
    canvas = titled(title, width)
    canvas.set_size_inches(width, 1.9 + 0.44 * len(objectives))
    grid = canvas.subplots(1, len(matrices), squeeze=False, sharey=True, width_ratios=widths)
    for axes, matrix in zip(grid[0], matrices, strict=True):
        _draw(axes, matrix, objectives)
    grid[0, 0].set_ylabel("attacked")
    canvas.supxlabel("measured: retained performance, attacked relative to clean", fontsize=9)
    return canvas


def _draw(axes: Axes, matrix: Matrix, objectives: Sequence[str]) -> None:
    axes.set_title(f"{norm_name(matrix.setting.norm)} {strength(matrix.epsilon)}", pad=7)
    axes.grid(visible=False)
    values = np.array(
        [[matrix.ratio(objective, task) for task in matrix.tasks] for objective in objectives], dtype=float
    )
    edges = np.arange(len(matrix.tasks) + 1) - 0.5, np.arange(len(objectives) + 1) - 0.5
    shades: dict[str, Any] = {"cmap": _SCALE, "vmin": _DARKEST, "vmax": 1, "edgecolors": "white", "linewidth": 1}
    axes.pcolormesh(*edges, np.ma.masked_invalid(values), **shades)
    task_axis(axes, matrix.tasks)
    axes.set_ylim(len(objectives) - 0.5, -0.5)
    axes.set_yticks(range(len(objectives)), [short(described(name).title, 30) for name in objectives])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelsize=8)
    for y, objective in enumerate(objectives):
        for x, task in enumerate(matrix.tasks):
            _write_cell(axes, matrix, (x, y), (objective, task))
    for at in _changes([group(task) for task in matrix.tasks]):
        axes.axvline(at, color=_INK, linewidth=1.6, zorder=3)
    for at in _changes([described(objective).role for objective in objectives]):
        axes.axhline(at, color=_INK, linewidth=1.6, zorder=3)


def _write_cell(axes: Axes, matrix: Matrix, at: tuple[int, int], place: tuple[str, str]) -> None:
    x, y = at
    row, q = matrix.known(*place), matrix.ratio(*place)
    if is_own(*place):
        axes.add_patch(Rectangle((x - 0.44, y - 0.42), 0.88, 0.84, fill=False, edgecolor=_INK, linewidth=1.1))
    style: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "color": "white" if q is not None and q < _DARK else "black",
    }
    if row is None:
        axes.text(x, y, DASH, **style)
        return
    axes.text(x, y - 0.12, f"{q:.2f}", fontsize=9.5, **style)
    if row.ratio_low is not None:
        axes.text(x, y + 0.24, f"{row.low:.2f} – {row.high:.2f}", fontsize=6.3, **style)


def _changes(kinds: Sequence[str]) -> list[float]:
    """Where a kind of rows or columns ends and another begins."""
    return [at - 0.5 for at in range(1, len(kinds)) if kinds[at] != kinds[at - 1]]
