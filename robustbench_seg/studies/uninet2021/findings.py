"""The findings of UniNet 2021 (sections 5.3 to 5.6), each judged by the comparisons of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from robustbench_seg.report.names import task_name
from robustbench_seg.report.relationships.contrast import Draws, key, less_left
from robustbench_seg.report.relationships.findings import rivals
from robustbench_seg.report.relationships.matrix import Family, Matrix, leading
from robustbench_seg.report.relationships.objectives import (
    EVERYTHING,
    GEOMETRIC,
    GROUP,
    OWN,
    SEMANTIC,
    group,
    is_own,
    kind,
    objective_name,
)
from robustbench_seg.report.relationships.rank import spearman
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.relationships.swapping import reached, shapes
from robustbench_seg.results.bootstrap import interval
from robustbench_seg.results.rows import Row
from robustbench_seg.studies.votes import Judged, Vote

ALIKE = 0.5
"""The rank correlation of two models' matrices from which their relationships count as alike."""
MORE_UNDER_MTL = ("detection", "instance")
"""The tasks that lose more under the multi-task loss than under their own in the paper (section 5.4)."""

Judge = Callable[[Matrix, Draws], Iterator[Vote]]


def judged(study: Study) -> list[Judged]:
    """All findings that the study's runs bear on, in the paper's order."""
    foremost = [family for family in leading(study.families) if family.setting.norm == "linf"]
    every = [
        Judged(finding, tuple(vote for family in foremost for vote in judge(family.chosen, study.draws)))
        for finding, judge in _OF_A_MATRIX
    ]
    every += [
        Judged("Semantic tasks influence geometric tasks more than the reverse", tuple(asymmetry(study))),
        Judged("Swapping classes swaps the shapes of boxes along with them", tuple(boxes(study))),
        Judged("The relationships do not depend on the architecture", tuple(architectures(foremost, study.draws))),
    ]
    return [one for one in every if one.votes]


def groups(matrix: Matrix, draws: Draws) -> Iterator[Vote]:
    """Every task against the loss of its own group and of the other one (figure 3a)."""
    losses = {SEMANTIC: f"group:{SEMANTIC}", GEOMETRIC: f"group:{GEOMETRIC}"}
    for task in matrix.tasks:
        own, other = losses.get(group(task)), losses.get(_other(group(task)))
        if own and other and (pair := _pair(matrix, own, other, task)):
            yield Vote(_text(matrix, task, own, other, pair), less_left(*pair, draws))


def own_loss(matrix: Matrix, draws: Draws) -> Iterator[Vote]:
    """Every task under its own loss against every other task's loss (figure 3b)."""
    for task in matrix.attacked_tasks:
        own, others = matrix.known(task, task), rivals(matrix, task)
        if own and others:
            signs = [less_left(own, other, draws) for other in others]
            strongest = min(others, key=lambda row: row.ratio or 0.0)
            sign = -1 if -1 in signs else min(signs)
            yield Vote(_text(matrix, task, task, strongest.objective, (own, strongest)), sign)


def multi_task(matrix: Matrix, draws: Draws) -> Iterator[Vote]:
    """Every task under its own loss against the multi-task loss, as the paper has it (figure 3b)."""
    for task in matrix.attacked_tasks:
        if pair := _pair(matrix, task, EVERYTHING, task):
            expected = -1 if task in MORE_UNDER_MTL else 1
            yield Vote(_text(matrix, task, task, EVERYTHING, pair), expected * less_left(*pair, draws))


def most_robust(matrix: Matrix, draws: Draws) -> Iterator[Vote]:
    """Segmentation against the task that keeps most of the others, under every loss (section 5.4)."""
    for objective in matrix.objectives:
        others = matrix.rows((objective, task) for task in matrix.tasks if task != "semantic")
        own = matrix.known(objective, "semantic")
        if own and others:
            best = max(others, key=lambda row: row.ratio or 0.0)
            text = (
                f"{matrix.setting.model}, attacking {objective_name(objective)}: {task_name('semantic')} keeps "
                f"{_share(own)}, {task_name(best.task)} {_share(best)}"
            )
            yield Vote(text, less_left(best, own, draws))


_OF_A_MATRIX: Sequence[tuple[str, Judge]] = (
    ("Semantic tasks interact among themselves, and so do geometric tasks", groups),
    ("A task loses most under its own loss, among the tasks' own losses", own_loss),
    ("The multi-task loss takes more than a task's own loss only from detection and instance segmentation", multi_task),
    ("Semantic segmentation is the least affected task, whatever is attacked", most_robust),
)


def asymmetry(study: Study) -> Iterator[Vote]:
    """Own losses, group losses and hiding within the maximum norm, in both directions (section 5.5)."""
    for setting, _, one in study.directions():
        if setting.norm == "linf":
            first, second = (estimate.text() for estimate in one.losses)
            text = f"{setting.model}, {one.title}: semantic → geometric {first}, geometric → semantic {second} lost"
            yield Vote(text, one.difference.sign)


def boxes(study: Study) -> Iterator[Vote]:
    """The shape of boxes labelled with each of two swapped classes (figure 5d)."""
    for swap in study.swaps:
        found = shapes(swap, study.draws)
        for one, other in zip(found, reversed(found), strict=True):
            sure = one.sign if one.after.low is not None else 0
            text = (
                f"{swap.setting.model}: {reached(swap, study.outcomes)}width / height of boxes labelled {one.text()}; "
                f"{other.before:.3f} if labels alone had changed"
            )
            yield Vote(text, sure)


def architectures(foremost: Sequence[Family], draws: Draws) -> Iterator[Vote]:
    """The rank correlation of two models' matrices over tasks' own and group losses, tasks that were not attacked."""
    for first, second in itertools.combinations(foremost, 2):
        pairs = [
            (row, other)
            for objective in first.chosen.objectives
            for task in first.chosen.tasks
            if kind(objective) in (OWN, GROUP) and not is_own(objective, task)
            if (row := first.chosen.known(objective, task)) and (other := second.chosen.known(objective, task))
        ]
        rho = spearman([row.ratio or 0.0 for row, _ in pairs], [other.ratio or 0.0 for _, other in pairs])
        if rho is None:
            continue
        low, high = _rho_interval(pairs, draws)
        text = (
            f"{first.setting.model} and {second.setting.model}: rank correlation of what is left {rho:.2f} "
            f"[{low:.2f}, {high:.2f}] (n = {len(pairs)}); alike from {ALIKE}"
        )
        yield Vote(text, int(low >= ALIKE) - int(high < ALIKE))


def _rho_interval(pairs: Sequence[tuple[Row, Row]], draws: Draws) -> tuple[float, float]:
    """The interval of the rank correlation under the same resamples; NaN where a cell has none."""
    known = [(draws.get(key(row)), draws.get(key(other))) for row, other in pairs]
    if any(one is None or other is None for one, other in known):
        return math.nan, math.nan
    count = min(len(one) for pair in known for one in pair if one is not None)
    columns = np.array([[one[:count] for one in pair if one is not None] for pair in known])
    found = [spearman(*columns[:, :, r].T.tolist()) for r in range(count) if np.isfinite(columns[:, :, r]).all()]
    return interval(np.array([rho for rho in found if rho is not None]))


def _other(side: str) -> str:
    return {SEMANTIC: GEOMETRIC, GEOMETRIC: SEMANTIC}.get(side, "")


def _pair(matrix: Matrix, first: str, second: str, task: str) -> tuple[Row, Row] | None:
    one, other = matrix.known(first, task), matrix.known(second, task)
    return (one, other) if one and other else None


def _text(matrix: Matrix, task: str, first: str, second: str, pair: tuple[Row, Row]) -> str:
    return (
        f"{matrix.setting.model}, {task_name(task)} keeps {_share(pair[0])} under {objective_name(first)}, "
        f"{_share(pair[1])} under {objective_name(second)}"
    )


def _share(row: Row) -> str:
    return f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]"
