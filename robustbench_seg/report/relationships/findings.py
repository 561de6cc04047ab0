"""The main findings: one table per question, one row per comparison, for the foremost attack on each model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robustbench_seg.report.cells import Table
from robustbench_seg.report.comparison import Comparison, comparison_table, corrected
from robustbench_seg.report.relationships.agreement import model_table
from robustbench_seg.report.relationships.contrasts import Samples, cohesion, directions, multi_task_loss, own_losses
from robustbench_seg.report.relationships.matrix import Matrix, Sweep, foremost
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Part, Section

Question = Callable[[Matrix, Samples], list[Comparison]]
_Asked = tuple[str, Question, Sequence[Matrix]]
"""A question, what answers it, and of which matrices."""

_DIRECTIONS = "Are geometric tasks more affected by attacks on semantic tasks (+), or the reverse (−)?"
_OTHERS = "Directions at the other ε"
_COHESION = "Do tasks of one group affect each other more than those of the other group?"
_READING = (
    "Numbers are drops 1 − Q: a task that retains 80 % has dropped by 20 %; those of several cells are means. A row "
    "compares two of them; the difference is in percentage points, with its 95 % interval. Its sign is 0 where the "
    "difference is not beyond chance, corrected (Holm) for how many comparisons this section makes: {}."
)
_METHOD = (
    "A paired interval leaves out the same images on both sides, from the run's store. Without a store it is unpaired: "
    "the bounds of single cells are averaged within a mean, as if all cells rose and fell together, and added in "
    "quadrature between the two, as if they were independent; both err towards too wide an interval (conservative)."
)


def section(study: Study) -> Section:
    """What the foremost attack shows at the ε shown first, then how alike the models are."""
    matrices = foremost(study.sweeps)
    hidden = [sweep.chosen for sweep in study.hidings]
    asked: Sequence[_Asked] = (
        ("Does a task drop most under its own loss, among the tasks' own losses?", own_losses, matrices),
        ("Does the multi-task loss take more than a task's own loss?", multi_task_loss, matrices),
        (_COHESION, cohesion, matrices),
        (_DIRECTIONS, directions, [*matrices, *hidden]),
    )
    tables, count = _answers(asked, study.samples)
    between = model_table([Sweep((matrix,), matrix) for matrix in matrices])
    intro = [_READING.format(count), _METHOD] if tables else ["No two cells can be compared."]
    part = Part(tables=[*tables, *([between] if between else [])])
    return Section("findings", "Findings", "Main findings", intro, [part])


def asymmetry_section(study: Study) -> Section | None:
    """Directions and cohesion for every attack, those at other ε folded."""
    sweeps = (*study.sweeps, *study.hidings)
    shown, others = [sweep.chosen for sweep in sweeps], [matrix for sweep in sweeps for matrix in sweep.others]
    asked = (_DIRECTIONS, directions, shown), (_COHESION, cohesion, shown)
    tables, count = _answers((*asked, (_OTHERS, directions, others)), study.samples)
    folded = [table for table in tables if table.caption == _OTHERS]
    parts = [Part(tables=[table for table in tables if table not in folded], folded=folded)]
    title = "Is the influence mutual?"
    return Section("asymmetry", "Asymmetry", title, [_READING.format(count)], parts) if tables else None


def _answers(asked: Sequence[_Asked], samples: Samples) -> tuple[list[Table], int]:
    """A table per question that has comparisons, all of them corrected together, and how many these are."""
    found = [
        (title, comparison)
        for title, question, matrices in asked
        for matrix in matrices
        for comparison in question(matrix, samples)
    ]
    judged = corrected([comparison for _, comparison in found])
    answers: dict[str, list[Comparison]] = {}
    for (title, _), comparison in zip(found, judged, strict=True):
        answers.setdefault(title, []).append(comparison)
    return [comparison_table(title, mine) for title, mine in answers.items()], len(judged)
