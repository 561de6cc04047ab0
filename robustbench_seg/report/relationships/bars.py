"""Grouped bars of the metric ratio by measured task, a bar an attacked objective (UniNet 2021, figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.relationships.canvas import COLOURS, SHADES, shade_regions, wrapped
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import (
    EVERYTHING,
    GROUP,
    OWN,
    RAW,
    SIDE_NAMES,
    group,
    kind,
    objective_name,
    side,
)
from robustbench_seg.results.rows import unique

_HEIGHT = 2.9
_SPAN = 0.84
"""The share of a task's width that its bars take."""


@dataclass(frozen=True)
class _Look:
    colour: str
    hatch: str


def bars_figure(matrix: Matrix) -> Figure | None:
    """A panel for the groups' losses, one for the tasks' own and one for raw losses; None where all are missing."""
    panels = [(title, chosen) for title, chosen in _panels(matrix) if chosen]
    if not panels:
        return None
    where = f"{matrix.setting.where}: {matrix.setting.at(matrix.epsilon)}"
    canvas = titled(where)
    canvas.set_size_inches(WIDTH, _HEIGHT * len(panels) + 0.5)
    grid = canvas.subplots(len(panels), 1, squeeze=False, sharey=True, sharex=True)[:, 0]
    for letter, axes, (title, objectives) in zip("abc", grid, panels, strict=False):
        axes.set_title(f"({letter}) {title}", pad=7)
        _draw(axes, matrix, objectives)
    rows = [row for row in matrix.cells.values() if row.ratio is not None]
    grid[0].set_ylim(0, max(1.05, 1.03 * max((row.high for row in rows), default=1.0)))
    canvas.supylabel("metric ratio Q (1: nothing lost)", fontsize=9)
    return canvas


def _panels(matrix: Matrix) -> list[tuple[str, list[str]]]:
    """Titles and objectives; the multi-task loss stands in every panel for comparison."""
    kinds = {name: [one for one in matrix.objectives if kind(one) == name] for name in (GROUP, OWN, RAW)}
    everything = [one for one in kinds[GROUP] if one == EVERYTHING]
    titles = {GROUP: "losses of several tasks", OWN: "tasks' own losses", RAW: "single raw losses"}
    return [
        (titles[name], unique([*everything, *chosen]) if chosen else [])
        for name, chosen in kinds.items()
        if len(chosen) > 0
    ]


def _draw(axes: Axes, matrix: Matrix, objectives: Sequence[str]) -> None:
    looks = _looks(objectives)
    width = _SPAN / len(objectives)
    shade_regions(axes, matrix.tasks)
    axes.axhline(1, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    for i, objective in enumerate(objectives):
        offset = (i - (len(objectives) - 1) / 2) * width
        for at, task in enumerate(matrix.tasks):
            row = matrix.known(objective, task)
            if row is None:
                axes.text(at + offset, 0.02, "–", ha="center", va="bottom", color="#777777")
                continue
            look = looks[objective]
            axes.bar(
                at + offset,
                row.ratio or 0.0,
                0.92 * width,
                color=look.colour,
                hatch=look.hatch,
                edgecolor="white",
                linewidth=0,
                zorder=2,
            )
            axes.vlines(at + offset, row.low, row.high, color="#1a1a1a", linewidth=1.0, zorder=3)
    axes.set_xlim(-0.5, len(matrix.tasks) - 0.5)
    axes.set_xticks(range(len(matrix.tasks)), [wrapped(task) for task in matrix.tasks])
    axes.tick_params(axis="x", length=0, labelbottom=True)
    sides = {SIDE_NAMES[group(task)]: Patch(color=SHADES[group(task)]) for task in matrix.tasks}
    names = {
        objective_name(one): Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", linewidth=0)
        for one, look in looks.items()
    }
    known = {**names, **{f"background: {name}": patch for name, patch in sides.items()}}
    axes.legend(
        known.values(),
        known,
        loc="center left",
        bbox_to_anchor=(1.005, 0.5),
        fontsize=8,
        title="attacked",
        title_fontsize=8,
        alignment="left",
    )


def _looks(objectives: Sequence[str]) -> Mapping[str, _Look]:
    """The next colour of the group an objective attacks, hatched where the colours have run out."""
    used: dict[str, int] = {}
    looks = {}
    for objective in objectives:
        attacked = side(objective)
        turn, at = divmod(used.get(attacked, 0), len(COLOURS[attacked]))
        used[attacked] = used.get(attacked, 0) + 1
        looks[objective] = _Look(COLOURS[attacked][at], "////" if turn else "")
    return looks
