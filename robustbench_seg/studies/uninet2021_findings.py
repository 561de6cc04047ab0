"""The findings of UniNet 2021 (sections 5.3 to 5.6), each judged by the comparisons of a run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from robustbench_seg.harness.bootstrap import interval
from robustbench_seg.report.names import task_name
from robustbench_seg.report.relationships.contrast import Contrast, key
from robustbench_seg.report.relationships.findings import between
from robustbench_seg.report.relationships.hiding import hiding_contrast
from robustbench_seg.report.relationships.matrix import Matrix, leading
from robustbench_seg.report.relationships.objectives import EVERYTHING, GEOMETRIC, SEMANTIC, group, objective_name
from robustbench_seg.report.relationships.rank import agreement
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.relationships.swapping import SHAPE, Swap
from robustbench_seg.report.rows import Row
from robustbench_seg.studies.votes import Judged, Vote

ALIKE = 0.7
"""The rank correlation from which two models' matrices count as alike."""


def judged(study: Study) -> list[Judged]:
    """All findings that the study's runs bear on, in the paper's order."""
    matrices = [family.chosen for family in leading(study.families) if family.setting.norm == "linf"]
    every = [
        Judged("Semantic tasks interact among themselves, and so do geometric tasks", _each(groups, matrices)),
        Judged("A task loses most under its own loss, among the tasks' own losses", _each(own_loss, matrices)),
        Judged("The multi-task loss does not fool all tasks: a task's own loss takes more", _each(mtl, matrices)),
        Judged("Semantic segmentation is the least affected task, whatever is attacked", _each(most_robust, matrices)),
        Judged("Semantic tasks influence geometric tasks more than the reverse", tuple(asymmetry(study))),
        Judged("Swapping classes swaps the shapes of boxes along with them", tuple(_shapes(study))),
        Judged("The relationships do not depend on the architecture", tuple(_architectures(study))),
    ]
    return [one for one in every if one.votes]


def _each(judge: Callable[[Matrix], Iterator[Vote]], matrices: Sequence[Matrix]) -> tuple[Vote, ...]:
    return tuple(vote for matrix in matrices for vote in judge(matrix))


def groups(matrix: Matrix) -> Iterator[Vote]:
    """Every task against the loss of its own group and of the other one (figure 3a)."""
    losses = {SEMANTIC: f"group:{SEMANTIC}", GEOMETRIC: f"group:{GEOMETRIC}"}
    for task in matrix.tasks:
        own, other = losses.get(group(task)), losses.get(_other(group(task)))
        if own and other and (pair := _pair(matrix, own, other, task)):
            yield _vote(matrix, task, own, other, pair)


def own_loss(matrix: Matrix) -> Iterator[Vote]:
    """Every task under its own loss against the strongest of the other tasks' losses (figure 3b)."""
    for task in matrix.attacked_tasks:
        rivals = matrix.rows((other, task) for other in matrix.attacked_tasks if other != task)
        own = matrix.known(task, task)
        if own and rivals:
            rival = min(rivals, key=lambda row: row.ratio or 0.0)
            yield _vote(matrix, task, task, rival.objective, (own, rival))


def mtl(matrix: Matrix) -> Iterator[Vote]:
    """Every task under its own loss against the multi-task loss (figure 3b)."""
    for task in matrix.attacked_tasks:
        if pair := _pair(matrix, task, EVERYTHING, task):
            yield _vote(matrix, task, task, EVERYTHING, pair)


def most_robust(matrix: Matrix) -> Iterator[Vote]:
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
            yield Vote(text, _below(best, own))


def asymmetry(study: Study) -> Iterator[Vote]:
    """Own losses, group losses and hiding, in both directions (section 5.5)."""
    for setting, _, one in study.directions():
        if setting.norm == "linf" and not one.title.startswith("hiding"):
            yield _direction(setting.model, one)
    for hiding in study.shown_hidings:
        if found := hiding_contrast(hiding, study.draws):
            yield _direction(hiding.setting.model, found)


def _direction(model: str, one: Contrast) -> Vote:
    first, second = (estimate.text() for estimate in one.losses)
    text = f"{model}, {one.title}: semantic → geometric {first}, geometric → semantic {second} of the performance lost"
    return Vote(text, one.difference.sign)


def _shapes(study: Study) -> Iterator[Vote]:
    """Boxes labelled with the class that was narrower stay narrower than the others after the swap (figure 5d)."""
    for swap in study.swaps:
        if vote := _shape(swap, study):
            yield vote


def _shape(swap: Swap, study: Study) -> Vote | None:
    rows = [swap.cells.get((label, SHAPE)) for label in swap.labels]
    if any(row is None or row.clean is None or row.value is None for row in rows):
        return None
    narrow, wide = sorted((row for row in rows if row), key=lambda row: row.clean or 0.0)
    facts = "; ".join(f"{row.label} {row.clean:.2f} before and {row.value:.2f} after" for row in (narrow, wide))
    known = [study.draws.get(key(row)) for row in (narrow, wide)]
    sign = 0
    if known[0] is not None and known[1] is not None:
        low, high = interval(known[1] - known[0])
        sign = int(low > 0) - int(high < 0)
    return Vote(
        f"{swap.setting.model}, {' ↔ '.join(swap.labels)}: mean width / height of boxes so labelled: {facts}", sign
    )


def _architectures(study: Study) -> Iterator[Vote]:
    """The rank correlation of two models' matrices."""
    foremost = [family for family in leading(study.families) if family.setting.norm == "linf"]
    for pair in itertools.combinations(foremost, 2):
        for text in between(pair):
            # There is no interval of a rank correlation here: a high one is for it, a negative one against it.
            rho = agreement(pair[0].chosen, pair[1].chosen, off_diagonal=True).rho or 0.0
            yield Vote(text.rstrip("."), int(rho >= ALIKE) - int(rho < 0))


def _other(side: str) -> str:
    return {SEMANTIC: GEOMETRIC, GEOMETRIC: SEMANTIC}.get(side, "")


def _pair(matrix: Matrix, first: str, second: str, task: str) -> tuple[Row, Row] | None:
    one, other = matrix.known(first, task), matrix.known(second, task)
    return (one, other) if one and other else None


def _vote(matrix: Matrix, task: str, first: str, second: str, pair: tuple[Row, Row]) -> Vote:
    """For it where clearly less is left under the first loss than under the second."""
    text = (
        f"{matrix.setting.model}, {task_name(task)} keeps {_share(pair[0])} under {objective_name(first)}, "
        f"{_share(pair[1])} under {objective_name(second)}"
    )
    return Vote(text, _below(*pair))


def _below(row: Row, other: Row) -> int:
    """1 where the intervals tell that less is left in the one than in the other, -1 where more."""
    if None in (row.ratio_low, row.ratio_high, other.ratio_low, other.ratio_high):
        return 0
    return int(row.high < other.low) - int(row.low > other.high)


def _share(row: Row) -> str:
    return f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]"
