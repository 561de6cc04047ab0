"""A task's own loss against the labels: the objective of a bare attack."""

from __future__ import annotations

from collections.abc import Callable

from robustbench_seg.attacks.objectives.base import (
    AdversarialLoss,
    CleanReference,
    Description,
    LossChoice,
    Objective,
    Role,
    Tasks,
    as_it_is,
)
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.names import kind_of
from robustbench_seg.tasks.registry import TASKS, load_task, meant, ordered_names

EACH_TASK, BUT = "each task", " but "
"""The text that stands for the own loss of every task at hand, and what leaves one of them out."""


class TaskLoss(Objective):
    """Ascend a task's own loss against the labels; `each task` is one per task, `each task but NAME` one less.

    A kind stands for every task of it at hand: `semantic` for `semantic[drivable]` and `semantic[lanes]`.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.name = task.name
        self.needs = (task.name,)

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """The task of that name, or those of that kind; UsageError where there is no such task at all."""
        each, but, other = f"{argument} ".partition(BUT)
        other = other.strip()
        if each.strip() == EACH_TASK:
            if but and not other:
                raise UsageError(f"name a task after '{argument}'")
            if but:
                TASKS.entry(kind_of(other))
            return [cls(task) for task in tasks.values() if task not in meant(other, tasks)]
        found = meant(argument, tasks)
        if not found:
            TASKS.entry(kind_of(argument))  # a near miss is an error, a task that this model lacks is not
        return [cls(task) for task in found]

    @classmethod
    def describe(cls, argument: str) -> Description:
        """The task's title."""
        title, order = load_task(argument).title, ordered_names().index(kind_of(argument))
        return Description(title, "", Role.OWN, (argument,), order=order)

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """Void pixels have no loss; an image without a valid label has no target."""
        return self.chosen_loss(reference, LossChoice())

    def chosen_loss(self, reference: CleanReference, choice: LossChoice) -> AdversarialLoss:
        """The same with another loss of the task; its own where it has none of that name."""
        task, label, scale = self.task, reference.labels[self.task.key], reference.scale(self.task)
        unit = task.scale_free(reference.outputs[task.key]) if choice.scale_free else as_it_is

        def at(progress: float) -> Callable[[Outputs], Tensor]:
            loss = task.ascended(choice.name, progress)
            return lambda outputs: loss(unit(scale(outputs[task.key])), label)

        def performance(outputs: Outputs) -> Tensor:
            return task.performance(scale(outputs[task.key]), label)

        is_weighted = task.is_weighted(choice.name)
        return AdversarialLoss(at(0.0), task.valid(label), at=at, performance=performance, is_weighted=is_weighted)
