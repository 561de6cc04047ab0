"""The main findings as sentences: numbers with intervals, and claims only where the intervals carry them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from robustbench_seg.report.names import task_name
from robustbench_seg.report.relationships.asymmetry import Placed
from robustbench_seg.report.relationships.contrast import Contrast, Draws, less_left
from robustbench_seg.report.relationships.hiding import Hiding, hiding_contrast
from robustbench_seg.report.relationships.matrix import Family, Matrix, leading
from robustbench_seg.report.relationships.objectives import EVERYTHING
from robustbench_seg.report.relationships.rank import agreement
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.relationships.swapping import shape_sentence
from robustbench_seg.results.rows import Row

_UNDECIDED = "The interval of the difference includes 0, so this run does not tell them apart."
_UNKNOWN = "There is no interval, so nothing is claimed."


def findings(study: Study) -> dict[str, list[str]]:
    """Sentences by model and data set, for the foremost attack in its first norm; then what models have in common."""
    foremost = _first_norms(leading(study.families))
    settings = {family.setting for family in foremost}
    found: dict[str, list[str]] = {}
    for family in foremost:
        matrix = family.chosen
        found[family.setting.where] = [*own_losses(matrix, study.draws), *multi_task_loss(matrix, study.draws)]
    for placed in study.cohesions():
        if placed[0] in settings:
            found[placed[0].where].append(cohesion(placed))
    for placed in study.directions():
        if placed[0] in settings:
            found[placed[0].where].append(direction(placed))
    for hiding in study.shown_hidings:
        found.setdefault(hiding.setting.where, []).extend(hidden(hiding, study.draws))
    for swap in study.swaps:
        text = shape_sentence(swap, study.draws, study.outcomes)
        found.setdefault(swap.setting.where, []).extend([text] if text else [])
    return {where: texts for where, texts in {**found, "Between models": between(foremost)}.items() if texts}


def between(foremost: Sequence[Family]) -> list[str]:
    """How alike the models' matrices are at the radii shown first."""
    return [
        f"{first.setting.model} and {second.setting.model} on {first.setting.dataset}, "
        f"{first.setting.at(first.chosen.epsilon)}: the rank correlation of their matrices is "
        f"{agreement(first.chosen, second.chosen, off_diagonal=True).text()} over the tasks that were not attacked and "
        f"{agreement(first.chosen, second.chosen, off_diagonal=False).text()} over all cells."
        for first, second in itertools.combinations(foremost, 2)
        if first.setting[1:] == second.setting[1:] and first.chosen.epsilon == second.chosen.epsilon
    ]


def own_losses(matrix: Matrix, draws: Draws) -> Iterator[str]:
    """Whether every task loses most under its own loss among the tasks' own losses."""
    compared = {task: found for task in matrix.attacked_tasks if (found := rivals(matrix, task))}
    if not compared:
        return
    ranks = {task: _rank(matrix, task, found, draws) for task, found in compared.items()}
    clear, unclear, other = ([task for task, rank in ranks.items() if rank == level] for level in (2, 1, 0))
    text = f"{_start(matrix)}: {len(clear)} of {len(compared)} tasks lose clearly most under their own loss"
    text += f" ({_named(clear)})" if clear else ""
    text += f"; for {_named(unclear)} the intervals overlap with another task's loss" if unclear else ""
    text += f"; {_named(other)} lose{'s' if len(other) == 1 else ''} more under another task's loss" if other else ""
    yield text + "."


def multi_task_loss(matrix: Matrix, draws: Draws) -> Iterator[str]:
    """Which tasks the loss of all tasks hurts more than their own does."""
    pairs = {
        task: (everything, own)
        for task in matrix.attacked_tasks
        if (everything := matrix.known(EVERYTHING, task)) and (own := matrix.known(task, task))
    }
    if not pairs:
        return
    more = [task for task, (everything, own) in pairs.items() if less_left(everything, own, draws) > 0]
    less = [task for task, (everything, own) in pairs.items() if less_left(own, everything, draws) > 0]
    rest = [task for task in pairs if task not in (*more, *less)]
    parts = [
        f"{word} {_named(tasks)}"
        for word, tasks in (
            ("more than its own loss from", more),
            ("less than its own loss from", less),
            ("an amount not told apart from that of its own loss from", rest),
        )
        if tasks
    ]
    yield f"{_start(matrix)}: the multi-task loss takes {'; '.join(parts)}."


def cohesion(placed: Placed) -> str:
    """Whether tasks of a group harm each other more than those of the other group."""
    first, second, difference = _numbers(placed[2])
    claim = _claim(
        placed[2],
        "Tasks depend on their own group more than on the other.",
        "Tasks depend on the other group more than on their own.",
    )
    return (
        f"{_place(placed)}: attacking a task takes {first} from the other tasks of its group and {second} from tasks "
        f"of the other group, on average; difference {difference}. {claim}"
    )


def direction(placed: Placed) -> str:
    """Whether semantic tasks harm geometric ones more than the reverse."""
    first, second, difference = _numbers(placed[2])
    return (
        f"{_place(placed)}, {placed[2].title}: attacks on semantic tasks take {first} of geometric performance, "
        f"attacks on geometric tasks {second} of semantic performance; difference {difference}. {_stronger(placed[2])}"
    )


def hidden(hiding: Hiding, draws: Draws) -> Iterator[str]:
    """Whether hiding a class in segmentation harms its depth more than the reverse."""
    found = hiding_contrast(hiding, draws)
    if found is None:
        return
    first, second, difference = _numbers(found)
    yield (
        f"{hiding.setting.at(hiding.epsilon)}: hiding {hiding.label} in segmentation takes {first} of the "
        f"depth performance on {hiding.label}, hiding it in depth takes {second} of the segmentation performance; "
        f"difference {difference}. {_stronger(found)}"
    )


def _stronger(one: Contrast) -> str:
    return _claim(
        one, "Semantic tasks have the stronger influence here.", "Geometric tasks have the stronger influence here."
    )


def _claim(one: Contrast, positive: str, negative: str) -> str:
    if one.difference.low is None:
        return _UNKNOWN
    return {1: positive, -1: negative, 0: _UNDECIDED}[one.difference.sign]


def _numbers(one: Contrast) -> tuple[str, str, str]:
    first, second = (estimate.text() for estimate in one.losses)
    return first, second, one.difference.text("points")


def rivals(matrix: Matrix, task: str) -> list[Row]:
    """The cells of a task under the other tasks' own losses; none where its own cell is missing."""
    if matrix.known(task, task) is None:
        return []
    return matrix.rows((other, task) for other in matrix.attacked_tasks if other != task)


def _rank(matrix: Matrix, task: str, others: Sequence[Row], draws: Draws) -> int:
    """2 where the own loss takes clearly most, 1 where it takes most, 0 where another takes more."""
    own = matrix.known(task, task)
    assert own is not None
    if all(less_left(own, row, draws) > 0 for row in others):
        return 2
    return int((own.ratio or 0.0) <= min(row.ratio or 0.0 for row in others))


def _first_norms(families: Sequence[Family]) -> list[Family]:
    firsts: dict[str, Family] = {}
    for family in families:
        firsts.setdefault(family.setting.where, family)
    return list(firsts.values())


def _start(matrix: Matrix) -> str:
    return f"{matrix.setting.at(matrix.epsilon)}"


def _place(placed: Placed) -> str:
    return f"{placed[0].at(placed[1])}"


def _named(tasks: Sequence[str]) -> str:
    return ", ".join(map(task_name, tasks))
