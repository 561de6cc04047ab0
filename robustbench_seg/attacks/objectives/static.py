"""A static target (Metzen et al. 2017): every image is to get one fixed prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from robustbench_seg.attacks.objectives.base import (
    AdversarialLoss,
    CleanReference,
    Description,
    LossChoice,
    Objective,
    Tasks,
    as_it_is,
    at_hand,
)
from robustbench_seg.attacks.objectives.fitted import FittedObjective
from robustbench_seg.attacks.objectives.targets import pixel_outcome
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.dense import DenseTask, dense_tasks
from robustbench_seg.tasks.names import kind_of

_TARGET = "target"
_LOSS = "confident_ce"
"""What is descended by default: pixels that are predicted as the target with confidence no longer count."""


class Static(FittedObjective):
    """Descend to one fixed prediction: the clean one of the first training image. Uses no labels."""

    def __init__(self, task: Task, target: Tensor | None = None) -> None:
        assert isinstance(task, DenseTask)
        self.task, self._target = task, target
        self.name = f"static:{task.name}"
        self.needs = (task.name,)

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """A task with a value at every pixel, all of them where none is named; UsageError for another."""
        return [cls(task) for task in at_hand(_named(argument), tasks)]

    @classmethod
    def describe(cls, argument: str) -> Description:
        """The task."""
        return Description("one fixed prediction", "to one fixed prediction", attacks=tuple(_named(argument)))

    def fit(self, first: CleanReference) -> Mapping[str, Tensor]:
        """The prediction (1,...,H,W)."""
        return {_TARGET: self.task.prediction(first.outputs[self.task.key])}

    def bound(self, fitted: Mapping[str, Tensor]) -> Objective:
        """The objective with its target."""
        return Static(self.task, fitted[_TARGET])

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """Every image has the target; counted are the pixels whose clean prediction is another."""
        return self.chosen_loss(reference, LossChoice())

    def chosen_loss(self, reference: CleanReference, choice: LossChoice) -> AdversarialLoss:
        """The same with another loss of the task; without a name that of pixels not yet predicted with confidence."""
        task, clean = self.task, reference.outputs[self.task.key]
        current = task.prediction(clean)
        target = self._target_of(current)
        unit = task.scale_free(clean) if choice.scale_free else as_it_is

        def at(progress: float) -> Callable[[Outputs], Tensor]:
            loss = task.descended(choice.name or _LOSS, progress)
            return lambda outputs: -loss(unit(outputs[task.key]), target)

        every_image = torch.ones(len(current), dtype=torch.bool, device=current.device)
        every_pixel = torch.ones((len(current), *current.shape[-2:]), dtype=torch.bool, device=current.device)
        return AdversarialLoss(at(0.0), every_image, outcome=pixel_outcome(task, every_pixel, current, target), at=at)

    def _target_of(self, prediction: Tensor) -> Tensor:
        """The target, once per image; InputError where images are of another size."""
        if self._target is None:
            raise UsageError(f"objective '{self.name}' is made of a data set's train split; use evaluate")
        if self._target.shape[1:] != prediction.shape[1:]:
            (height, width), (h, w) = self._target.shape[-2:], prediction.shape[-2:]
            raise InputError(f"the target of '{self.name}' is {height} x {width}, this image is {h} x {w}")
        return self._target.expand_as(prediction).contiguous()


def _named(argument: str) -> list[str]:
    known = list(dense_tasks())
    if argument and kind_of(argument) not in known:
        raise UsageError(unknown("task with a value at every pixel", argument, known))
    return [argument] if argument else known
