"""Comparing drops: how much more one set of attacks takes than another, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from robustbench_seg.report.comparison import Comparison, Estimate
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import EVERYTHING, GEOMETRIC, SEMANTIC, described, group
from robustbench_seg.results.intervals import NO_INTERVAL, Interval
from robustbench_seg.results.names import task_name
from robustbench_seg.results.rows import Row
from robustbench_seg.results.sample import Sample, combined

Samples = Callable[[Row], Sample | None]
"""The ratio of a row, None where the run has no store any more."""

PAIRED, UNPAIRED = "paired", "unpaired"
"""Where the interval of a difference comes from: leaving out the same images, or the intervals of the single cells."""

_CROSSINGS = ((SEMANTIC, GEOMETRIC), (GEOMETRIC, SEMANTIC))
"""The group attacked and the group measured, forward and backward."""


class Side(NamedTuple):
    """What is averaged: a name and the cells, all of them with a ratio."""

    name: str
    rows: Sequence[Row]


def contrast(
    subject: str, where: str, sides: tuple[Side, Side], samples: Samples, verdicts: tuple[str, str] | None = None
) -> list[Comparison]:
    """The comparison of two sides' mean drops 1 - Q, paired where every cell is in a store.

    No comparison where a side is empty. `verdicts` say what a larger and a smaller first drop mean; by default which
    side is the stronger.
    """
    first, second = sides
    if not first.rows or not second.rows:
        return []
    means = [math.fsum(1 - (row.ratio or 0.0) for row in side.rows) / len(side.rows) for side in sides]
    drops = [_mean_drop([samples(row) for row in side.rows]) for side in sides]
    paired = None if drops[0] is None or drops[1] is None else drops[0] - drops[1]
    is_paired = paired is not None and paired.left_out is not None
    ends = [interval_of(drop) if is_paired else _averaged(side.rows) for drop, side in zip(drops, sides, strict=True)]
    difference = interval_of(paired) if is_paired else _independent(means, ends)
    names = [side.name if len(side.rows) == 1 else f"{side.name}, {len(side.rows)} cells" for side in sides]
    estimates = [Estimate(*each) for each in zip(names, means, ends, strict=True)]
    intervals = {PAIRED if is_paired else UNPAIRED: difference} if difference else {}
    stronger = verdicts or (f"{first.name} stronger", f"{second.name} stronger")
    n_images = min(row.n_images for side in sides for row in side.rows)
    compared = Comparison(subject, where, estimates[0], estimates[1], intervals, stronger, n_images=n_images)
    return [replace(compared, p_value=paired.p_value) if paired is not None and is_paired else compared]


def own_losses(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under its own loss against the other task's loss that comes closest."""
    closest = []
    for task in matrix.attacked_tasks:
        rivals = [other for other in matrix.attacked_tasks if other != task]
        compared = [each for other in rivals for each in _of_task(matrix, task, task, other, samples)]
        closest += sorted(compared, key=lambda each: (each.sign, each.difference))[:1]
    return closest


def multi_task_loss(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under the loss of all tasks against its own."""
    return [each for task in matrix.attacked_tasks for each in _of_task(matrix, task, EVERYTHING, task, samples)]


def group_losses(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under the loss of its own group against that of the other one (UniNet 2021, figure 3a)."""
    others = dict(_CROSSINGS)
    return [
        each
        for task in matrix.tasks
        if group(task) in others
        for each in _of_task(matrix, task, f"group:{group(task)}", f"group:{others[group(task)]}", samples)
    ]


def directions(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Semantic tasks attacked and geometric ones measured against the reverse: own losses, then group losses."""
    own = [_rows(matrix, _of(matrix.attacked_tasks, attacked), measured) for attacked, measured in _CROSSINGS]
    grouped = [_rows(matrix, [f"group:{attacked}"], measured) for attacked, measured in _CROSSINGS]
    title = f"hiding {matrix.subject}" if matrix.subject else "own losses"
    return [
        each
        for subject, (forward, backward) in ((title, own), ("group losses", grouped))
        for each in contrast(
            subject,
            matrix.title,
            (Side("semantic → geometric", forward), Side("geometric → semantic", backward)),
            samples,
        )
    ]


def cohesion(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Own-loss attacks measured on the other tasks of the same group, against those of the other group."""
    losses = {side: _of(matrix.attacked_tasks, side) for side in (SEMANTIC, GEOMETRIC)}
    inside = [row for side, own in losses.items() for row in _rows(matrix, own, side)]
    across = [row for attacked, measured in _CROSSINGS for row in _rows(matrix, losses[attacked], measured)]
    return contrast("other tasks", matrix.title, (Side("same group", inside), Side("other group", across)), samples)


def interval_of(sample: Sample | None) -> Interval | None:
    """The 95 % interval of a sample; None without one."""
    low, high = NO_INTERVAL if sample is None else sample.interval
    return None if math.isnan(low) else (low, high)


def _of_task(matrix: Matrix, task: str, first: str, second: str, samples: Samples) -> list[Comparison]:
    """One task under two losses."""
    names = ["own loss" if loss == task else described(loss).title for loss in (first, second)]
    rows = [matrix.rows([(loss, task)]) for loss in (first, second)]
    return contrast(task_name(task), matrix.title, (Side(names[0], rows[0]), Side(names[1], rows[1])), samples)


def _rows(matrix: Matrix, losses: Iterable[str], measured: str) -> list[Row]:
    """The cells of a group of tasks under losses that are not their own."""
    return matrix.rows((loss, task) for loss in losses for task in _of(matrix.tasks, measured) if loss != task)


def _of(tasks: Sequence[str], side: str) -> list[str]:
    return [task for task in tasks if group(task) == side]


def _mean_drop(cells: Sequence[Sample | None]) -> Sample | None:
    """The mean drop; None where a cell is in no store."""
    known = [cell for cell in cells if cell is not None]
    if len(known) < len(cells):
        return None
    return combined(known, lambda ratios: 1 - ratios.mean(axis=0), limits=(-math.inf, 1))


def _averaged(rows: Sequence[Row]) -> Interval | None:
    """The interval of a mean drop from the mean bounds: exact where cells move together, too wide where they do not."""
    if any(row.ratio_low is None or row.ratio_high is None for row in rows):
        return None
    low, high = (
        math.fsum(1 - bound for bound in ends) / len(rows)
        for ends in zip(*((r.high, r.low) for r in rows), strict=True)
    )
    return low, high


def _independent(means: Sequence[float], ends: Sequence[Interval | None]) -> Interval | None:
    """The difference with errors added in quadrature: too wide where the two rise and fall on the same images."""
    if ends[0] is None or ends[1] is None:
        return None
    difference = means[0] - means[1]
    below = math.hypot(means[0] - ends[0][0], ends[1][1] - means[1])
    above = math.hypot(ends[0][1] - means[0], means[1] - ends[1][0])
    return difference - below, difference + above
