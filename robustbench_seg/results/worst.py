"""The worst case over attacks: of every image what one of them made of it, chosen from what is stored of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robustbench_seg.results.keys import FLOAT, WORST, AttackConfiguration
from robustbench_seg.results.records import ImageResult
from robustbench_seg.results.store import StoredCell
from robustbench_seg.tasks.base import Floats, Statistics, Task

NESTED = "linf"
"""The norm in which what is in one ball is in every larger one."""
ROUNDS = 3
"""How often the greedy choice goes through the images at most."""


def chosen_attacks(params: Mapping[str, Any]) -> list[str]:
    """The names or labels that a worst case with these parameters is over; empty where it is over all."""
    return [label.strip() for label in str(params.get("over", "")).split(";") if label.strip()]


def candidates(
    worst: AttackConfiguration,
    epsilon: float | None,
    configurations: Sequence[AttackConfiguration],
    scored: str = FLOAT,
) -> list[tuple[int, int]]:
    """The (configuration, place among its cells) that a worst case may choose from.

    Those of the same objective and norm, scored in the same way, at the same epsilon, and in `linf` at smaller ones
    too: what is adversarial at an epsilon is at every larger one. Images rounded to 8 bits may lie outside the ball of
    epsilon (0.5 becomes 1); a worst case over them is over what was made at epsilon, as it is when stored. That is
    nested as well: rounding puts the ball of a smaller epsilon into one that is no larger.
    """
    named = chosen_attacks(worst.params)
    return [
        (index, place)
        for index, other in enumerate(configurations)
        if (other.objective, other.norm) == (worst.objective, worst.norm)
        and other.attack != WORST
        and (not named or other.attack in named or other.label in named)
        for place, (size, way) in enumerate(other.cells)
        if way == scored and (size == epsilon or (worst.norm == NESTED and _is_smaller(size, epsilon)))
    ]


def _is_smaller(size: float | None, epsilon: float | None) -> bool:
    return size is not None and epsilon is not None and size < epsilon


def worst_cell(cells: Sequence[StoredCell], task: Task, by_image: bool) -> StoredCell:
    """One cell that holds for every image the record of one of `cells`; images stored in all of them alone.

    Each image has the record in which its own value of the task's metric is worst. Unless `by_image`, that choice, or
    one of the cells where that is worse, is then improved greedily until no image's record makes the metric over all
    images worse (Croce et al. 2024, section 3.4). An image that failed in one cell fails here.
    """
    records = [{result.image: result for result in cell.results} for cell in cells]
    images = sorted(set.intersection(*(set(of_cell) for of_cell in records))) if records else []
    failed = {image for image in images if any(of_cell[image].error for of_cell in records)}
    sound = [image for image in images if image not in failed]
    chosen = dict(zip(sound, _choice(cells, sound, task, by_image), strict=True))
    results = [_failed(image, records) if image in failed else records[chosen[image]][image] for image in images]
    statistics: Mapping[str, Mapping[int, Statistics]] = {
        name: {image: cells[index].statistics[name][image] for image, index in chosen.items()}
        for name in (cells[0].statistics if cells else {})
    }
    return StoredCell(results, statistics)


def _failed(image: int, records: Sequence[Mapping[int, ImageResult]]) -> ImageResult:
    return next(of_cell[image] for of_cell in records if of_cell[image].error)


def _choice(cells: Sequence[StoredCell], images: Sequence[int], task: Task, by_image: bool) -> list[int]:
    """The cell of each image."""
    table = [[cell.statistics[task.name][image] for cell in cells] for image in images]
    choice = [int(_performances(task, row, np.eye(len(row))).argmin()) for row in table]
    if by_image or not images:
        return choice
    # From the worst of all starts on, it can be no better than any cell.
    starts = [choice, *([index] * len(images) for index in range(len(cells)))]
    choice = min(starts, key=lambda start: _performance(task, _chosen(table, start)))
    for _ in range(ROUNDS):
        if not _improve(task, table, choice):
            break
    return choice


def _chosen(table: Sequence[Sequence[Statistics]], choice: Sequence[int]) -> list[Statistics]:
    return [row[index] for row, index in zip(table, choice, strict=True)]


def _improve(task: Task, table: Sequence[Sequence[Statistics]], choice: list[int]) -> bool:
    """Go through the images once, each changed to the record that makes all of them together worst; whether any was."""
    current = _chosen(table, choice)
    is_changed = False
    for i, row in enumerate(table):
        # Every other image as it is, and this one by each of its records in turn.
        others = np.ones((len(row), len(current)))
        others[:, i] = 0
        values = _performances(task, [*current, *row], np.hstack([others, np.eye(len(row))]))
        best = int(values.argmin())
        if values[best] < values[choice[i]]:
            choice[i], current[i], is_changed = best, row[best], True
    return is_changed


def _performance(task: Task, statistics: Sequence[Statistics]) -> float:
    return float(_performances(task, statistics, np.ones((1, len(statistics))))[0])


def _performances(task: Task, statistics: Sequence[Statistics], weights: Floats) -> Floats:
    """The metric Q is drawn of for each weighting (R,n): higher where predictions are better, infinite without one."""
    values = task.values(statistics, weights, task.scored(statistics)).overall[task.curve]
    signed = values if task.metric(task.curve).higher_is_better else -values
    return np.where(np.isfinite(signed), signed, np.inf)
