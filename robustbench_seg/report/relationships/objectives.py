"""What is attacked: objectives by kind, their names, order, and the tasks that count as attacked by each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from robustbench_seg.report.names import GROUPS, task_name
from robustbench_seg.tasks.registry import TASKS

SEMANTIC, GEOMETRIC, UNGROUPED = "semantic", "geometric", ""
SIDES = (SEMANTIC, GEOMETRIC, UNGROUPED)
SIDE_NAMES = {SEMANTIC: "semantic tasks", GEOMETRIC: "geometric tasks", UNGROUPED: "other tasks"}

OWN, RAW, GROUP = "task's own loss", "single raw loss", "several tasks at once"
KINDS = (OWN, RAW, GROUP)
"""The kinds of objectives that a matrix of relationships has as rows, in that order."""

EVERYTHING = "group:all"


class _RawLoss(NamedTuple):
    name: str
    task: str


_RAW_LOSSES = {
    "loss:cls": _RawLoss("box classification", "detection"),
    "loss:reg": _RawLoss("box regression", "detection"),
    "loss:centerness": _RawLoss("box centerness", "detection"),
    "loss:seg": _RawLoss("segmentation", "semantic"),
    "loss:mask": _RawLoss("instance mask", "instance"),
    "loss:depth": _RawLoss("depth", "depth"),
    "loss:instance_depth": _RawLoss("instance depth", "instance_depth"),
}
_GROUP_NAMES = {
    EVERYTHING: "all tasks (multi-task loss)",
    "group:semantic": "semantic tasks together",
    "group:geometric": "geometric tasks together",
}
_KIND_OF = {"": OWN, "loss": RAW, "group": GROUP}


def group(task: str) -> str:
    """`semantic`, `geometric`, or empty for a task that is neither; a plugin's task is asked itself."""
    if task in GROUPS:
        return GROUPS[task]
    declared = getattr(TASKS.get(task), "group", UNGROUPED) if task in TASKS else UNGROUPED
    return declared if declared in SIDES else UNGROUPED


def kind(objective: str) -> str:
    """One of `KINDS`; empty for targeted objectives (`hide:`, `swap:`)."""
    prefix, colon, _ = objective.partition(":")
    return _KIND_OF.get(prefix if colon else "", "")


def objective_name(objective: str) -> str:
    """What an objective is called in a row of a matrix or a legend."""
    if objective in _RAW_LOSSES:
        return f"{_RAW_LOSSES[objective].name} loss"
    return _GROUP_NAMES.get(objective) or task_name(objective)


def side(objective: str) -> str:
    """The group an objective attacks; empty where it attacks both or none."""
    if kind(objective) == GROUP:
        name = objective.partition(":")[2]
        return name if name in SIDES else UNGROUPED
    return group(_attacked_task(objective))


def is_own(objective: str, task: str) -> bool:
    """Whether a task is among those an objective attacks: such cells are the diagonal of a matrix."""
    if objective == EVERYTHING:
        return True
    if kind(objective) == GROUP:
        return side(objective) == group(task) != UNGROUPED
    return _attacked_task(objective) == task


def ordered_tasks(tasks: Sequence[str]) -> list[str]:
    """Semantic ones first, then geometric ones, then the others; known ones in the usual order."""
    usual = list(GROUPS)
    return sorted(
        dict.fromkeys(tasks),
        key=lambda task: (SIDES.index(group(task)), usual.index(task) if task in usual else len(usual)),
    )


def ordered_objectives(objectives: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Those of `KINDS`: tasks' own losses in the order of the tasks, raw losses, groups; others are left out."""
    ranks = {name: rank for rank, name in enumerate([*ordered_tasks(tasks), *_RAW_LOSSES, *_GROUP_NAMES])}
    known = [objective for objective in dict.fromkeys(objectives) if kind(objective)]
    return sorted(known, key=lambda name: (KINDS.index(kind(name)), ranks.get(name, len(ranks))))


def _attacked_task(objective: str) -> str:
    return _RAW_LOSSES[objective].task if objective in _RAW_LOSSES else objective
