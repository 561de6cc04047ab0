"""Grouped bars of the metric ratio by measured task, one bar per attacked objective (UniNet 2021, figure 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robustbench_seg.attacks.objectives.base import Role
from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.cells import DASH
from robustbench_seg.report.relationships.drawing import COLOURS, MISSING, SHADES, matrix_figures, task_axis
from robustbench_seg.report.relationships.matrix import Matrix, leading
from robustbench_seg.report.relationships.objectives import EVERYTHING, SIDE_NAMES, described, group, side
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Part, Section
from robustbench_seg.results.rows import unique

_HEIGHT = 2.9
_SPAN = 0.84
"""The share of a task's width that its bars take."""

_PANELS = {Role.GROUP: "losses of several tasks", Role.OWN: "tasks' own losses", Role.RAW: "single raw losses"}


def section(study: Study) -> Section | None:
    """The bars of the foremost attack on each model and data set."""
    chosen = [sweep.chosen for sweep in leading(study.sweeps) if len(sweep.chosen.objectives) > 1]
    text = "Metric ratio of each task by the loss attacked, with its 95 % interval."
    intro = (
        "As figure 3 of UniNet: the backgrounds distinguish semantic from geometric tasks; blue bars attack semantic "
        "tasks, orange ones geometric tasks, grey ones all."
    )
    parts = [Part(figures=files) for files in matrix_figures("bars", chosen, text, bars_figure) if files]
    return Section("bars", "By loss attacked", "What each loss takes from each task", [intro], parts) if parts else None


def bars_figure(matrix: Matrix) -> Figure | None:
    """A panel for the groups' losses, one for the tasks' own and one for raw losses; None where all are missing."""
    panels = {title: chosen for role, title in _PANELS.items() if (chosen := _objectives(matrix, role))}
    if not panels:
        return None
    canvas = titled(f"{matrix.setting.where}: {matrix.how}")
    canvas.set_size_inches(WIDTH, _HEIGHT * len(panels) + 0.5)
    grid = canvas.subplots(len(panels), 1, squeeze=False, sharey=True, sharex=True)[:, 0]
    for letter, axes, (title, objectives) in zip("abc", grid, panels.items(), strict=False):
        axes.set_title(f"({letter}) {title}", pad=7)
        _draw(axes, matrix, objectives)
    highest = max((row.high for row in matrix.rows(matrix.cells)), default=1.0)
    grid[0].set_ylim(0, max(1.05, 1.03 * highest))
    canvas.supylabel("metric ratio Q (1: nothing lost)", fontsize=9)
    return canvas


def _objectives(matrix: Matrix, role: Role) -> list[str]:
    """Those of a role; the multi-task loss stands in every panel for comparison."""
    mine = [objective for objective in matrix.objectives if described(objective).role is role]
    everything = [EVERYTHING] if EVERYTHING in matrix.objectives else []
    return unique([*everything, *mine]) if mine else []


def _draw(axes: Axes, matrix: Matrix, objectives: Sequence[str]) -> None:
    width = _SPAN / len(objectives)
    for at, task in enumerate(matrix.tasks):
        axes.axvspan(at - 0.5, at + 0.5, color=SHADES[group(task)], linewidth=0, zorder=0)
    axes.axhline(1, color=MISSING, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    looks = _looks(objectives)
    for i, (objective, look) in enumerate(looks.items()):
        offset = (i - (len(objectives) - 1) / 2) * width
        for at, task in enumerate(matrix.tasks):
            row = matrix.known(objective, task)
            if row is None:
                axes.text(at + offset, 0.02, DASH, ha="center", va="bottom", color=MISSING)
                continue
            axes.bar(at + offset, row.ratio or 0.0, 0.92 * width, zorder=2, **look)
            axes.vlines(at + offset, row.low, row.high, color="#1a1a1a", linewidth=1.0, zorder=3)
    task_axis(axes, matrix.tasks)
    legend = {described(objective).title: Patch(**look) for objective, look in looks.items()}
    legend |= {f"background: {SIDE_NAMES[group(task)]}": Patch(color=SHADES[group(task)]) for task in matrix.tasks}
    beside: dict[str, Any] = {"bbox_to_anchor": (1.005, 0.5), "alignment": "left", "title_fontsize": 8}
    axes.legend(legend.values(), legend, loc="center left", fontsize=8, title="attacked", **beside)


def _looks(objectives: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The next colour of the group an objective attacks, hatched where the colours have run out."""
    used: Counter[str] = Counter()
    looks = {}
    for objective in objectives:
        palette = COLOURS[side(objective)]
        turn, at = divmod(used[side(objective)], len(palette))
        used[side(objective)] += 1
        hatch = "////" if turn else ""
        looks[objective] = {"facecolor": palette[at], "hatch": hatch, "edgecolor": "white", "linewidth": 0}
    return looks
