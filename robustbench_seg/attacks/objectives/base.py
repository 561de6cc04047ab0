"""Objectives: what an attack is after. Each makes a per-image adversarial loss of clean outputs and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor
from robustbench_seg.tasks.base import ClassLogits, Labels, Outputs, Task
from robustbench_seg.tasks.names import kind_of
from robustbench_seg.tasks.registry import meant

Tasks = Mapping[str, Task]
"""The tasks at hand by name."""


@dataclass(frozen=True, eq=False)
class CleanReference:
    """What an objective may look at: the clean outputs (detached), the labels and the names of the batch."""

    outputs: Outputs
    labels: Labels
    tasks: Tasks
    classes: ClassSet
    depth_align: str
    generators: Callable[[str], Sequence[np.random.Generator]]

    def scale(self, task: Task) -> Callable[[Any], Any]:
        """What a task's outputs go through before they are compared with labels.

        Relative depth is compared at the scale (and shift) of its clean prediction, constants of the attack.
        """
        return task.rescaling(self.outputs[task.key], self.labels[task.key], self.depth_align)


def target_counts(targets: Tensor, changed: Tensor, reached: Tensor) -> Mapping[str, Tensor]:
    """How many targets (N,...) bool each image has, left what they were, and became what they were pushed to (N,).

    What is like both has not changed, and so has not reached anything.
    """
    changed = targets & changed
    counts = {"targets": targets, "targets_changed": changed, "targets_reached": changed & reached}
    return {name: mask.flatten(1).sum(1) for name, mask in counts.items()}


def as_it_is(output: Any) -> Any:
    """The output itself."""
    return output


@dataclass(frozen=True)
class LossChoice:
    """How an objective is pursued: by which of its task's `attack_losses` (empty: the task's own loss).

    `scale_free` says that the loss does not depend on the scale of a model's logits. `emphasis` is how much the pixels
    that are to change count where an objective is about some of them (hiding), against 1 less that for the others.
    """

    name: str = ""
    scale_free: bool = False
    emphasis: float = 0.5


@dataclass(frozen=True, eq=False)
class ClassTargets:
    """Whose class is to change: the elements (N,...) of `mask`, whose logits `source` gives.

    They are to leave `classes` (N,...) or, where `is_targeted`, to take them.
    """

    source: ClassLogits
    classes: Tensor
    mask: Tensor
    is_targeted: bool = False


@dataclass(frozen=True, eq=False)
class AdversarialLoss:
    """A per-image loss (N,) to ascend, and which images (N,) bool are attackable: have a target.

    `skips` says that images without a target have no value in this cell (hiding), rather than staying as they are
    and being counted. `outcome` counts targets and what became of them, per image. `at` gives the loss at a share of
    the steps done, where it changes while the attack proceeds. `performance` (N,) is what the attack is to bring down,
    comparable whatever the loss; None where that is the loss alone. `is_weighted` says that the loss may fall as
    predictions get worse (it counts the pixels still right), so that it cannot say which of two images is harmed more.
    `class_targets` is for attacks that change classes by themselves, without the loss.
    """

    loss: Callable[[Outputs], Tensor]
    attackable: Tensor
    skips: bool = False
    outcome: Callable[[Outputs], Mapping[str, Tensor]] | None = None
    at: Callable[[float], Callable[[Outputs], Tensor]] | None = None
    performance: Callable[[Outputs], Tensor] | None = None
    is_weighted: bool = False
    class_targets: ClassTargets | None = None


class Role(StrEnum):
    """What an objective is in a matrix of relationships: the first three are its rows, in that order."""

    OWN = "task's own loss"
    RAW = "single raw loss"
    GROUP = "several tasks at once"
    TARGETED = "targeted"


@dataclass(frozen=True)
class Description:
    """What is known of an objective without a model.

    `title` names it in a table or legend ("box classification loss"), `phrase` follows an attack's title ("on the box
    classification loss"; empty for a task's own loss). `attacks` are the names of the tasks that it attacks: the
    diagonal of a matrix. `classes` are the classes it names, `order` its place among the objectives of its role.
    """

    title: str
    phrase: str
    role: Role = Role.TARGETED
    attacks: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    order: int = 0


class Objective(ABC):
    """One objective of a kind; the class is the kind, which is written `KIND:ARGUMENT`, or `KIND` where it takes none.

    `name` is how this objective is written in full, `needs` names the tasks whose outputs it uses. What a kind is
    called and attacks (`describe`) can be read without importing torch.
    """

    name: str
    needs: tuple[str, ...]

    @classmethod
    @abstractmethod
    def parse(cls, argument: str, tasks: Tasks) -> Sequence[Objective]:
        """The objectives an argument stands for, given the tasks at hand; none where those lack what it needs.

        UsageError where the argument means nothing, whatever the tasks.
        """

    @classmethod
    @abstractmethod
    def describe(cls, argument: str) -> Description:
        """What the objective of that argument is called and attacks."""

    @abstractmethod
    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """The adversarial loss for one batch."""

    def chosen_loss(self, reference: CleanReference, choice: LossChoice) -> AdversarialLoss:
        """The adversarial loss that an attack chooses; by default the objective's only one."""
        return self.adversarial_loss(reference)

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """Classes the objective names that `classes` lacks."""
        return []


def split_task(argument: str, supported: Sequence[str]) -> tuple[str, Sequence[str]]:
    """`ARGUMENT@TASK` as the argument and the tasks meant: that one, or all that are supported where none is named.

    `supported` are kinds of tasks. UsageError for a task of another.
    """
    text, at, task = argument.partition("@")
    if at and kind_of(task) not in supported:
        raise UsageError(f"it works on {', '.join(supported)}, not '{task}'")
    return text.strip(), (task,) if at else supported


def at_hand(names: Sequence[str], tasks: Tasks) -> list[Task]:
    """The tasks at hand that the names mean, each once."""
    return list({task.name: task for name in names for task in meant(name, tasks)}.values())
