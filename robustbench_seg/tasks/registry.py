"""The tasks by name: those that ship, in the order they are shown in, and those of plugins."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING

from robustbench_seg.registry import Registry, built_in, lacking

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
    missing = lacking(task, declared)
    return f"{task.__name__} lacks {missing}" if missing else ""


TASKS: Registry[type[Task]] = Registry("task", "tasks", lambda: built_in("task", BUILT_IN, "tasks/registry.py"), _fault)


def ordered_names() -> list[str]:
    """All tasks in the order they are shown in: those that ship, then those of plugins by name."""
    return [*BUILT_IN, *(name for name in TASKS if name not in BUILT_IN)]


def attack_losses() -> dict[str, str]:
    """The titles of all losses that tasks declare for attacks, by name."""
    return {name: loss.title for task in load_tasks(TASKS).values() for name, loss in task.attack_losses.items()}


def load_tasks(names: Iterable[str]) -> dict[str, Task]:
    """Task objects by name; UsageError for an unknown one."""
    return {name: TASKS.get(name)() for name in names}
