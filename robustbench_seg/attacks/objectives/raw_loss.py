"""Raw losses that tasks are trained with, one alone or combined image by image (UniNet 2021, eq. 1 to 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Description, Objective, Role, Tasks
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.base import RawLoss as Declared
from robustbench_seg.tasks.registry import load_task, ordered_names

Combine = Callable[["Tensor", "Tensor"], "Tensor"]


class RawLosses(Objective):
    """Ascend some of the raw losses that tasks are trained with.

    `parts` are (task, name of a raw loss); `combine` takes the losses (K,N) and which of them have a label (K,N).
    """

    def __init__(self, name: str, parts: Sequence[tuple[Task, str]], combine: Combine) -> None:
        self.name, self.parts, self.combine = name, tuple(parts), combine
        self.needs = tuple(dict.fromkeys(task.name for task, _ in parts))

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """An image without a valid label of any of the tasks has no target."""
        tasks = {task.name: task for task, _ in self.parts}
        valid = {name: task.valid(reference.labels[task.key]) for name, task in tasks.items()}
        known = torch.stack([valid[task.name] for task, _ in self.parts])
        scales = {name: reference.scale(task) for name, task in tasks.items()}

        def loss(outputs: Outputs) -> Tensor:
            losses = {
                name: task.losses(scales[name](outputs[task.key]), reference.labels[task.key])
                for name, task in tasks.items()
            }
            return self.combine(torch.stack([losses[task.name][raw] for task, raw in self.parts]), known)

        return AdversarialLoss(loss, known.any(0))


class RawLoss(RawLosses):
    """Ascend one raw loss by its name (`loss:cls`), whichever of the tasks at hand have it."""

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """The loss of that name; UsageError where no task has it."""
        _declared(argument)
        parts = [(task, argument) for task in tasks.values() if argument in (raw.name for raw in task.raw_losses)]
        return [cls(f"loss:{argument}", parts, summed)] if parts else []

    @classmethod
    def describe(cls, argument: str) -> Description:
        """The loss's title."""
        declared = _declared(argument)
        order, _, raw = declared[0]
        tasks = tuple(task for _, task, _ in declared)
        return Description(f"{raw.title} loss", f"on the {raw.title} loss", Role.RAW, tasks, order=order)


def _declared(name: str) -> list[tuple[int, str, Declared]]:
    """The losses of that name: their place among all, task and declaration; UsageError where there is none."""
    losses = declared_losses()
    if all(raw.name != name for _, raw in losses):
        raise UsageError(unknown("raw loss", name, sorted({raw.name for _, raw in losses})))
    return [(order, task, raw) for order, (task, raw) in enumerate(losses) if raw.name == name]


def declared_losses() -> list[tuple[str, Declared]]:
    """Every raw loss with the name of its task, in the order of the tasks."""
    return [(name, raw) for name in ordered_names() for raw in load_task(name).raw_losses]


def summed(losses: Tensor, known: Tensor) -> Tensor:
    """The plain sum (N,) of losses (K,N) over those that have a label."""
    return torch.where(known, losses, torch.zeros_like(losses)).sum(0)
