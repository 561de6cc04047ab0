"""The kinds of objectives by name: those that ship, and those of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_seg.registry import Registry, built_in

if TYPE_CHECKING:
    from robustbench_seg.attacks.objectives.base import Objective

TASK_LOSS = "task"
"""The kind that is written without its own name: `depth`, not `task:depth`."""

BUILT_IN = {
    TASK_LOSS: ("attacks.objectives.task_loss:TaskLoss", "a task's own loss, written as the task alone: depth"),
    "loss": ("attacks.objectives.raw_loss:RawLoss", "one of the losses a task is trained with: loss:cls"),
    "group": ("attacks.objectives.group:GroupLoss", "the losses of several tasks together: group:semantic, group:all"),
    "hide": ("attacks.objectives.hide:Hide", "fill a class in by its surroundings: hide:person@depth"),
    "static": ("attacks.objectives.static:Static", "the prediction of one training image for all: static:semantic"),
    "swap": ("attacks.objectives.swap:Swap", "exchange two classes: swap:person,car@detection"),
}

OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective", "objectives", lambda: built_in("objective", BUILT_IN, "attacks/objectives/registry.py")
)
