"""What is attacked: objectives by kind, their names and order, and the tasks that each counts as attacking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from robustbench_seg.attacks.objectives.base import Description, Role
from robustbench_seg.attacks.objectives.group import ALL
from robustbench_seg.attacks.objectives.parse import describe
from robustbench_seg.tasks.base import Group
from robustbench_seg.tasks.names import kind_of
from robustbench_seg.tasks.registry import is_task, load_task, ordered_names

SEMANTIC, GEOMETRIC, UNGROUPED = *get_args(Group), ""
SIDES = (SEMANTIC, GEOMETRIC, UNGROUPED)
SIDE_NAMES = {SEMANTIC: "semantic tasks", GEOMETRIC: "geometric tasks", UNGROUPED: "other tasks"}

EVERYTHING = f"group:{ALL}"
_LAST = len(ordered_names())


def described(objective: str) -> Description:
    """What the objective declares; a single word that nobody declares is the own loss of a task of that name."""
    if ":" not in objective and not is_task(objective):
        return Description(objective, "", Role.OWN, (objective,), order=_LAST)
    return describe(objective)


def group(task: str) -> str:
    """`semantic`, `geometric`, or empty for a task that is neither or that nobody declares."""
    return (load_task(task).group if is_task(task) else None) or UNGROUPED


def side(objective: str) -> str:
    """The group an objective attacks; empty where it attacks several or none."""
    sides = {group(task) for task in described(objective).attacks}
    return sides.pop() if len(sides) == 1 else UNGROUPED


def is_own(objective: str, task: str) -> bool:
    """Whether a task is among those an objective attacks: such cells are the diagonal of a matrix."""
    attacked = described(objective).attacks
    return task in attacked or kind_of(task) in attacked


def ordered_tasks(tasks: Sequence[str]) -> list[str]:
    """Semantic ones first, then geometric ones, then the others, each in the order of the registry."""
    usual = {task: at for at, task in enumerate(ordered_names())}
    return sorted(dict.fromkeys(tasks), key=lambda task: (SIDES.index(group(task)), usual.get(kind_of(task), _LAST)))


def ordered_objectives(objectives: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Those that are rows of a matrix: tasks' own losses in the order of the tasks, raw losses, groups."""
    roles, places = list(Role), {task: at for at, task in enumerate(ordered_tasks(tasks))}
    known = {objective: described(objective) for objective in dict.fromkeys(objectives)}
    rows = {name: objective for name, objective in known.items() if objective.role is not Role.TARGETED}
    return sorted(rows, key=lambda name: (roles.index(rows[name].role), places.get(name, _LAST), rows[name].order))
