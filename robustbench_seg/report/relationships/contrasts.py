"""Comparing drops: how much more one set of attacks takes than another, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from robustbench_seg.report.comparison import Comparison, Estimate
from robustbench_seg.report.names import task_name
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import EVERYTHING, GEOMETRIC, SEMANTIC, described, group
from robustbench_seg.results.intervals import Interval
from robustbench_seg.results.rows import Row

Floats = npt.NDArray[np.float64]
Samples = Callable[[Row], Floats | None]
"""The ratio of a row (R,) under each resample of the images, None where the run has no store any more.

R may differ between tasks; the first resamples are the same.
"""

PAIRED, UNPAIRED = "paired", "unpaired"
"""Where the interval of a difference comes from: the same bootstrap samples, or the intervals of the single cells."""

_FORWARD, _BACKWARD = "semantic → geometric", "geometric → semantic"


class Side(NamedTuple):
    """What is averaged: a name and the cells, all of them with a ratio."""

    name: str
    rows: Sequence[Row]


Sides = tuple[Side, Side]


def contrast(
    subject: str, where: str, sides: Sides, samples: Samples, verdicts: tuple[str, str] | None = None
) -> Comparison | None:
    """The mean drops 1 - Q of two sides, paired where every cell has bootstrap samples; None where a side is empty.

    `verdicts` say what a larger and a smaller first drop mean; by default which side is the stronger.
    """
    first, second = sides
    if not first.rows or not second.rows:
        return None
    means = [math.fsum(1 - (row.ratio or 0.0) for row in side.rows) / len(side.rows) for side in sides]
    resampled = _mean_drops([[samples(row) for row in side.rows] for side in sides])
    if resampled is not None:
        ends = [interval_of(drops) for drops in resampled]
        difference, method = interval_of(resampled[0] - resampled[1]), PAIRED
    else:
        ends = [_averaged(side.rows) for side in sides]
        difference, method = _independent(means, ends), UNPAIRED
    return Comparison(
        subject,
        where,
        Estimate(_counted(first), means[0], ends[0]),
        Estimate(_counted(second), means[1], ends[1]),
        {method: difference} if difference else {},
        verdicts or (f"{first.name} stronger", f"{second.name} stronger"),
    )


def own_losses(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under its own loss against the other task's loss that comes closest."""
    found = []
    for task in matrix.attacked_tasks:
        rivals = [other for other in matrix.attacked_tasks if other != task]
        compared = [one for other in rivals if (one := _of_task(matrix, task, task, other, samples))]
        if compared:
            found.append(min(compared, key=lambda one: (one.sign, one.difference)))
    return found


def multi_task_loss(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under the loss of all tasks against its own."""
    return [one for task in matrix.attacked_tasks if (one := _of_task(matrix, task, EVERYTHING, task, samples))]


def group_losses(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under the loss of its own group against that of the other one (UniNet 2021, figure 3a)."""
    losses = {SEMANTIC: f"group:{SEMANTIC}", GEOMETRIC: f"group:{GEOMETRIC}"}
    others = {SEMANTIC: losses[GEOMETRIC], GEOMETRIC: losses[SEMANTIC]}
    tasks = [task for task in matrix.tasks if group(task) in losses]
    compared = [_of_task(matrix, task, losses[group(task)], others[group(task)], samples) for task in tasks]
    return [one for one in compared if one]


def directions(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Semantic tasks attacked and geometric ones measured against the reverse: own losses, then group losses."""
    own = _crossing(matrix, SEMANTIC, GEOMETRIC), _crossing(matrix, GEOMETRIC, SEMANTIC)
    grouped = [
        matrix.rows((f"group:{attacked}", task) for task in _of(matrix.tasks, measured))
        for attacked, measured in ((SEMANTIC, GEOMETRIC), (GEOMETRIC, SEMANTIC))
    ]
    title = f"hiding {matrix.subject}" if matrix.subject else "own losses"
    compared = [
        contrast(subject, matrix.title, (Side(_FORWARD, rows[0]), Side(_BACKWARD, rows[1])), samples)
        for subject, rows in ((title, own), ("group losses", grouped))
    ]
    return [one for one in compared if one]


def cohesion(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Own-loss attacks measured on the other tasks of the same group, against those of the other group."""
    inside = [row for side in (SEMANTIC, GEOMETRIC) for row in _crossing(matrix, side, side)]
    across = [*_crossing(matrix, SEMANTIC, GEOMETRIC), *_crossing(matrix, GEOMETRIC, SEMANTIC)]
    one = contrast("other tasks", matrix.title, (Side("same group", inside), Side("other group", across)), samples)
    return [one] if one else []


def _of_task(matrix: Matrix, task: str, first: str, second: str, samples: Samples) -> Comparison | None:
    """One task under two losses."""
    sides = tuple(Side(_loss(name, task), matrix.rows([(name, task)])) for name in (first, second))
    return contrast(task_name(task), matrix.title, (sides[0], sides[1]), samples)


def _loss(objective: str, task: str) -> str:
    return "own loss" if objective == task else described(objective).title


def _counted(side: Side) -> str:
    return side.name if len(side.rows) == 1 else f"{side.name}, {len(side.rows)} cells"


def _crossing(matrix: Matrix, attacked: str, measured: str) -> list[Row]:
    sources, tasks = _of(matrix.attacked_tasks, attacked), _of(matrix.tasks, measured)
    return matrix.rows((source, task) for source in sources for task in tasks if source != task)


def _of(tasks: Sequence[str], side: str) -> list[str]:
    return [task for task in tasks if group(task) == side]


def _mean_drops(sides: Sequence[Sequence[Floats | None]]) -> list[Floats] | None:
    """The mean drop (R,) of each side under the resamples all cells have; None where a cell has none."""
    known = [[one for one in side if one is not None] for side in sides]
    if [len(side) for side in known] != [len(side) for side in sides]:
        return None
    count = min(len(one) for side in known for one in side)
    return [np.mean([1 - one[:count] for one in side], axis=0) for side in known]


def interval_of(samples: Floats | None) -> Interval | None:
    """The 95 % interval of bootstrap samples; None without them or without a value."""
    if samples is None:
        return None
    # Imported late: what lies beside it needs torch, a page without a store does not.
    from robustbench_seg.results.intervals import interval

    low, high = interval(samples)
    return None if math.isnan(low) else (low, high)


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
