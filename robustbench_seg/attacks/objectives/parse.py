"""The names of objectives.

A task (`semantic`, `detection`, ...) for that task's loss; `loss:NAME` for one raw loss (`loss:cls`);
`group:semantic|geometric` for the sum of a group's raw losses, `group:all` for the geometric mean of all (multi-task
loss); `hide:CLASS@TASK`; `swap:CLASS,CLASS@TASK`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from robustbench_seg.attacks.objectives.base import (
    Combine,
    Objective,
    RawLosses,
    TaskLoss,
    geometric_mean,
    group_losses,
    summed,
)
from robustbench_seg.attacks.objectives.hiding import Hide
from robustbench_seg.attacks.objectives.margins import Swap, changeable
from robustbench_seg.classes import canonical
from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.registry import TASKS, ordered_names

Tasks = Mapping[str, Task]


def parse_objective(text: str, tasks: Tasks) -> list[Objective]:
    """The objectives a name stands for, given the tasks at hand; one a task where it names none (`hide:person`).

    A task that is not among `tasks` gives an empty list (the caller notes it); a name that means nothing raises
    UsageError.
    """
    prefix, colon, rest = text.partition(":")
    if not colon:
        if text not in tasks:
            TASKS.entry(text)  # a near miss is an error, a task that this model lacks is not
        return [TaskLoss(tasks[text])] if text in tasks else []
    if prefix not in _KINDS:
        known = ", ".join(_KINDS)
        raise UsageError(f"objective '{text}': unknown kind '{prefix}:'; known: {known}, or a task's name")
    return _KINDS[prefix](text, rest, tasks)


@dataclass(frozen=True)
class _OnTasks:
    """Objectives of the form `kind:ARGUMENT@TASK`, one a supported task where none is named.

    `read` checks the argument, whatever tasks there are, and says how to make an objective of it.
    """

    read: Callable[[str], Callable[[Task], Objective]]
    supported: Callable[[], Sequence[str]]

    def __call__(self, text: str, rest: str, tasks: Tasks) -> list[Objective]:
        argument, at, task = rest.partition("@")
        supported = self.supported()
        if at and task not in supported:
            kind = text.partition(":")[0]
            raise UsageError(f"objective '{text}': '{kind}:' works on {', '.join(supported)}, not '{task}'")
        wanted = (task,) if at else supported
        make = self.read(argument.strip())
        return [make(tasks[name]) for name in wanted if name in tasks]


def _hide(argument: str) -> Callable[[Task], Objective]:
    if not argument:
        raise UsageError("objective 'hide:' needs a class, as in hide:person@semantic")
    return lambda task: Hide(argument, task)


def _dense() -> list[str]:
    return [name for name in ordered_names() if isinstance(TASKS.get(name)(), DenseTask)]


def _swap(argument: str) -> Callable[[Task], Objective]:
    first, comma, second = argument.partition(",")
    if not comma or not first or not second:
        raise UsageError(f"objective 'swap:{argument}' needs two classes, as in swap:person,car@semantic")
    if canonical(first) == canonical(second):
        raise UsageError(f"objective 'swap:{argument}' names one class twice; give two")
    return lambda task: Swap(first.strip(), second.strip(), task)


def _loss(text: str, rest: str, tasks: Tasks) -> list[Objective]:
    every = {raw.name for name in TASKS for raw in TASKS.get(name)().raw_losses}
    if rest not in every:
        raise UsageError(f"objective '{text}': {unknown('raw loss', rest, sorted(every))}")
    found = [(task, raw) for task, raw in group_losses(tasks, None) if raw == rest]
    return [RawLosses(text, found, summed)] if found else []


def _group(text: str, rest: str, tasks: Tasks) -> list[Objective]:
    if rest not in _GROUPS:
        raise UsageError(f"objective '{text}': {unknown('group', rest, list(_GROUPS))}")
    parts, combine = _GROUPS[rest](tasks)
    return [RawLosses(text, parts, combine)] if parts else []


_GROUPS: dict[str, Callable[[Tasks], tuple[Sequence[tuple[Task, str]], Combine]]] = {
    "semantic": lambda tasks: (group_losses(tasks, "semantic"), summed),
    "geometric": lambda tasks: (group_losses(tasks, "geometric"), summed),
    "all": lambda tasks: (group_losses(tasks, None), geometric_mean),
}

_KINDS: dict[str, Callable[[str, str, Tasks], list[Objective]]] = {
    "hide": _OnTasks(_hide, _dense),
    "swap": _OnTasks(_swap, lambda: tuple(changeable())),
    "loss": _loss,
    "group": _group,
}
