"""Objectives: what an attack pursues. Each makes a per-image adversarial loss of clean outputs and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robustbench_seg.classes import ClassSet
from robustbench_seg.tasks.base import Group, Labels, Outputs, Task


@dataclass(frozen=True, eq=False)
class CleanReference:
    """What an objective may look at: the clean outputs (detached), the labels and the names of the batch."""

    outputs: Outputs
    labels: Labels
    tasks: Mapping[str, Task]
    classes: ClassSet
    median_scaling: bool
    generators: Callable[[str], Sequence[np.random.Generator]]

    def scale(self, task: Task) -> Callable[[Any], Any]:
        """What a task's outputs go through before they are compared with labels.

        Relative depth is compared at the scale of its clean prediction, a constant of the attack.
        """
        if not self.median_scaling:
            return lambda output: output
        return task.rescaling(self.outputs[task.key], self.labels[task.key])


@dataclass(frozen=True, eq=False)
class AdversarialLoss:
    """A per-image loss (N,) to ascend, and the images (N,) bool that have something to pursue.

    `skips` says that images without a target have no value in this cell (hiding), rather than staying as they are
    and being counted. `outcome` counts what the attack reached, per image.
    """

    loss: Callable[[Outputs], Tensor]
    attackable: Tensor
    skips: bool = False
    outcome: Callable[[Outputs], Mapping[str, Tensor]] | None = None


class Objective(ABC):
    """One objective. `name` is how it is written, `needs` the model outputs it uses."""

    name: str
    needs: tuple[str, ...]

    @abstractmethod
    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """The adversarial loss for one batch."""

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """Classes the objective names that `classes` lacks."""
        return []


class TaskLoss(Objective):
    """Ascend a task's own loss against the labels."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.name = task.name
        self.needs = (task.name,)

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """Void pixels have no loss; an image without a valid label has no target."""
        task, label, scale = self.task, reference.labels[self.task.key], reference.scale(self.task)
        return AdversarialLoss(lambda outputs: task.loss(scale(outputs[task.key]), label), task.valid(label))


Combine = Callable[[Tensor, Tensor], Tensor]


class RawLosses(Objective):
    """Ascend some of the raw losses that tasks are trained with, combined image by image (UniNet 2021, eq. 1 to 3).

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


def summed(losses: Tensor, known: Tensor) -> Tensor:
    """The plain sum (N,) of losses (K,N) over those that have a label."""
    return torch.where(known, losses, torch.zeros_like(losses)).sum(0)


def geometric_mean(losses: Tensor, known: Tensor) -> Tensor:
    """The geometric mean (N,) of losses (K,N) over those that have a label; weights would change no gradient's sign."""
    logs = torch.where(known, losses.clamp(min=1e-8).log(), torch.zeros_like(losses))
    return (logs.sum(0) / known.sum(0).clamp(min=1)).exp() * known.any(0)


def group_losses(tasks: Mapping[str, Task], group: Group | None) -> list[tuple[Task, str]]:
    """The raw losses of one group, or all of them where `group` is None."""
    return [
        (task, raw.name) for task in tasks.values() for raw in task.raw_losses if group is None or raw.group == group
    ]
