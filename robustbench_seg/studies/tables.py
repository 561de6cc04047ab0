"""Tables of a study: groups of trainings by cells, with their differences to the first, and the paper's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from robustbench_seg.report.cells import DASH, Cell, Line
from robustbench_seg.report.comparison import PERCENT, Scale
from robustbench_seg.results.differences import Difference
from robustbench_seg.studies.grouped import Grouped, Place


def group_lines(
    grouped: Grouped,
    places: Sequence[Place],
    name: Callable[[str], str],
    tag: str = "ours",
    scale: Scale = PERCENT,
) -> list[Line]:
    """Two lines per group: its numbers, and their differences to the first group's."""
    lines = []
    for group in grouped.groups:
        lines.append(Line(name(group), tag, tuple(_number(grouped, group, place, scale) for place in places)))
        if group != grouped.first:
            cells = tuple(_difference(grouped.difference(group, place), scale) for place in places)
            lines.append(Line(f"{name(group)} − {name(grouped.first)}", tag, cells))
    return lines


def _number(grouped: Grouped, group: str, place: Place, scale: Scale) -> Cell:
    """The mean over trainings with its interval, or with every training's number where there is none."""
    value, each = grouped.mean(group, place), grouped.each(group, place)
    if math.isnan(value):
        return Cell(DASH)
    interval = grouped.interval(group, place)
    if math.isnan(interval[0]):
        seeds = ("seeds " + ", ".join(scale.number(value) for value in each),) if len(each) > 1 else ()
        return Cell(scale.number(value), seeds)
    return Cell(scale.number(value), (scale.bracket(interval),), min(max(value, 0.0), 1.0))


def _difference(difference: Difference | None, scale: Scale) -> Cell:
    if difference is None:
        return Cell(DASH)
    intervals = tuple(f"{name} {scale.bracket(interval)}" for name, interval in difference.intervals.items())
    return Cell(scale.signed(difference.difference), intervals)
