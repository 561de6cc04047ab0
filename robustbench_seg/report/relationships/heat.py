"""Heat maps of matrices: what is left of each measured task under each attacked objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from robustbench_seg.report.canvas import titled
from robustbench_seg.report.cells import DASH
from robustbench_seg.report.legend import short
from robustbench_seg.report.names import NORMS, strength
from robustbench_seg.report.relationships.canvas import wrapped
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import group, is_own, kind, objective_name
from robustbench_seg.results.rows import Row, unique

_SCALE = colormaps["Oranges_r"]
"""One hue from dark (all lost) to white (nothing lost): its lightness alone tells the order."""
_MISSING = "#e9e9e9"


def heat_figure(matrices: Sequence[Matrix], title: str) -> Figure:
    """Heat maps side by side, of one model, data set and attack; rows are those of any of them."""
    objectives = unique([objective for matrix in matrices for objective in matrix.objectives])
    width = 2.7 + sum(0.98 * len(matrix.tasks) + 0.3 for matrix in matrices)
    canvas = titled(title, max(width, 6.6))
    canvas.set_size_inches(max(width, 6.6), 1.9 + 0.44 * len(objectives))
    grid = canvas.subplots(
        1, len(matrices), squeeze=False, sharey=True, width_ratios=[len(matrix.tasks) for matrix in matrices]
    )
    for axes, matrix in zip(grid[0], matrices, strict=True):
        _draw(axes, matrix, objectives)
    grid[0, 0].set_ylabel("attacked")
    canvas.supxlabel("measured: share of the clean performance that is left", fontsize=9)
    return canvas


def _draw(axes: Axes, matrix: Matrix, objectives: Sequence[str]) -> None:
    norm = matrix.setting.norm
    axes.set_title(f"{NORMS.get(norm, norm)} {strength(matrix.epsilon)}", pad=7)
    axes.grid(visible=False)
    axes.set_xlim(-0.5, len(matrix.tasks) - 0.5)
    axes.set_ylim(len(objectives) - 0.5, -0.5)
    axes.set_xticks(range(len(matrix.tasks)), [wrapped(task) for task in matrix.tasks], fontsize=8)
    axes.set_yticks(range(len(objectives)), [short(objective_name(name), 30) for name in objectives])
    axes.tick_params(length=0)
    for y, objective in enumerate(objectives):
        for x, task in enumerate(matrix.tasks):
            _draw_cell(axes, (x, y), matrix.known(objective, task), is_own(objective, task))
    for at in _changes([group(task) for task in matrix.tasks]):
        axes.axvline(at, color="#222222", linewidth=1.6, zorder=3)
    for at in _changes([kind(objective) for objective in objectives]):
        axes.axhline(at, color="#222222", linewidth=1.6, zorder=3)


def _draw_cell(axes: Axes, at: tuple[int, int], row: Row | None, own: bool) -> None:
    x, y = at
    q = None if row is None else row.ratio
    shade = _MISSING if q is None else _SCALE(0.08 + 0.92 * float(np.clip(q, 0, 1)))
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=shade, edgecolor="white", linewidth=1))
    if own:
        axes.add_patch(Rectangle((x - 0.44, y - 0.42), 0.88, 0.84, fill=False, edgecolor="#222222", linewidth=1.1))
    ink = _ink(to_rgb(shade))
    if row is None or q is None:
        axes.text(x, y, DASH, ha="center", va="center", color=ink)
        return
    axes.text(x, y - 0.12, f"{q:.2f}", ha="center", va="center", color=ink, fontsize=9.5)
    if row.ratio_low is not None:
        axes.text(x, y + 0.24, f"{row.low:.2f} – {row.high:.2f}", ha="center", va="center", color=ink, fontsize=6.3)


def _ink(shade: tuple[float, float, float]) -> str:
    """White or black, whichever contrasts more (relative luminance as in WCAG 2)."""
    linear = [(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4) for value in shade]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def _changes(kinds: Sequence[str]) -> list[float]:
    """Where a kind of rows or columns ends and another begins."""
    return [at - 0.5 for at in range(1, len(kinds)) if kinds[at] != kinds[at - 1]]
