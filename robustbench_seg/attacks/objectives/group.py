"""The raw losses of several tasks together (UniNet 2021, eq. 1 to 3)."""

from __future__ import annotations

from typing import get_args

from robustbench_seg.attacks.objectives.base import Description, Objective, Role, Tasks
from robustbench_seg.attacks.objectives.raw_loss import RawLosses, summed
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import Group
from robustbench_seg.tasks.registry import TASKS, ordered_names

ALL = "all"
GROUPS = (ALL, *get_args(Group))
"""What may follow `group:`, in the order of tables."""


class GroupLoss(RawLosses):
    """Ascend the sum of a group's raw losses; `group:all` is the geometric mean of all (the multi-task loss)."""

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """The losses of that group among the tasks at hand; UsageError for another group."""
        _refuse_unknown(argument)
        parts = [(task, raw.name) for task in tasks.values() for raw in task.raw_losses if argument in (ALL, raw.group)]
        return [cls(f"group:{argument}", parts, geometric_mean if argument == ALL else summed)] if parts else []

    @classmethod
    def describe(cls, argument: str) -> Description:
        """The tasks of the group."""
        _refuse_unknown(argument)
        title = "all tasks (multi-task loss)" if argument == ALL else f"{argument} tasks together"
        tasks = tuple(name for name in ordered_names() if argument in (ALL, TASKS.get(name).group))
        return Description(title, f"on {argument} tasks", Role.GROUP, tasks, order=GROUPS.index(argument))


def geometric_mean(losses: Tensor, known: Tensor) -> Tensor:
    """The geometric mean (N,) of losses (K,N) over those that have a label; weights would change no gradient's sign."""
    logs = torch.where(known, losses.clamp(min=1e-8).log(), torch.zeros_like(losses))
    return (logs.sum(0) / known.sum(0).clamp(min=1)).exp() * known.any(0)


def _refuse_unknown(group: str) -> None:
    if group not in GROUPS:
        raise UsageError(unknown("group", group, GROUPS))
