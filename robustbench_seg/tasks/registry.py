"""The kinds of tasks by name: those that ship, in the order they are shown in, and those of plugins."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

from robustbench_seg.parameters import made, parameters_of
from robustbench_seg.registry import Registry, built_in, lacking
from robustbench_seg.tasks.names import kind_of, label_of

if TYPE_CHECKING:
    from robustbench_seg.tasks.base import Task

BUILT_IN = {
    "semantic": ("tasks.semantic:Semantic", "semantic segmentation: mIoU over the data set"),
    "detection": ("tasks.detection:Detection", "object detection: COCO AP of boxes"),
    "instance": ("tasks.instance:Instance", "instance segmentation: COCO AP of masks"),
    "depth": ("tasks.depth:Depth", "monocular depth: RMSE and the usual errors"),
    "normals": ("tasks.normals:Normals", "surface normals: mean angular error"),
    "instance_depth": ("tasks.instance_depth:InstanceDepth", "median depth of each instance: L1 and relative error"),
    "edges": ("tasks.edges:Edges", "edges of regions: F1 of the edge class"),
}


def _fault(task: object) -> str:
    """What keeps the class from being evaluated as a task."""
    from robustbench_seg.tasks.base import Task

    if not (isinstance(task, type) and issubclass(task, Task)):
        return "it must be a class derived from robustbench_seg.tasks.base.Task"
    # What its bases annotate and give no value; its own may get theirs when it is made.
    declared = dict.fromkeys(name for base in reversed(task.__mro__[1:]) for name in inspect.get_annotations(base))
    for name, field in parameters_of(task).items():
        if field.default is MISSING:
            return f"parameter '{name}' has no default; write {name}: float = 1.0"
    missing = lacking(task, declared)
    return f"{task.__name__} lacks {missing}" if missing else ""


TASKS: Registry[type[Task]] = Registry("task", "tasks", lambda: built_in("task", BUILT_IN, "tasks/registry.py"), _fault)


def is_task(name: str) -> bool:
    """Whether tasks of the kind of this name are registered."""
    return kind_of(name) in TASKS


def meant(text: str, tasks: Mapping[str, Task]) -> list[Task]:
    """Those of the tasks at hand that a text means: one by its name, or all of a kind."""
    return [tasks[text]] if text in tasks else [task for name, task in tasks.items() if kind_of(name) == text]


def ordered_names() -> list[str]:
    """All kinds of tasks in the order they are shown in: those that ship, then those of plugins by name."""
    return [*BUILT_IN, *(name for name in TASKS if name not in BUILT_IN)]


def attack_losses() -> dict[str, str]:
    """The titles of all losses that tasks declare for attacks, by name."""
    return {name: loss.title for task in load_tasks(TASKS).values() for name, loss in task.attack_losses.items()}


def load_tasks(names: Iterable[str], parameters: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Task]:
    """Task objects by name, with the parameters given by name or by kind; UsageError for an unknown one."""
    given = parameters or {}
    return {name: load_task(name, {**given.get(kind_of(name), {}), **given.get(name, {})}) for name in names}


def load_task(name: str, parameters: Mapping[str, Any] | None = None) -> Task:
    """A task object by its name, that of a kind or of one of several of a kind, with its parameters set.

    UsageError for an unknown kind or parameter, or a value of the wrong type.
    """
    task = made(TASKS.get(kind_of(name)), parameters or {})
    return task.called(label_of(name)) if label_of(name) else task
