"""Objectives on class logits: raise a rival's logit wherever a target still has its class (DAG, Xie et al. 2017)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from robustbench_seg.attacks.objectives.base import (
    AdversarialLoss,
    ClassTargets,
    CleanReference,
    Objective,
    target_counts,
)
from robustbench_seg.attacks.objectives.task_loss import TaskLoss
from robustbench_seg.classes import VOID
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import ClassLogits, Outputs, Task
from robustbench_seg.tasks.names import kind_of
from robustbench_seg.tasks.registry import load_task, ordered_names
from robustbench_seg.transfer import placed


def changeable() -> list[str]:
    """The kinds of tasks whose classes can be changed, in the order of the tasks."""
    return [name for name in ordered_names() if load_task(name).class_logits is not None]


def logits_of(task: Task) -> ClassLogits:
    """Where a task that is `changeable` decides its classes."""
    assert task.class_logits is not None
    return task.class_logits


class ClassChange(Objective):
    """An objective on class logits, whose targets may need a confidence."""

    @abstractmethod
    def adversarial_loss(self, reference: CleanReference, floor: float = 0.0) -> AdversarialLoss:
        """The adversarial loss for one batch; elements less confident than `floor` are no targets."""


def class_changes(attack: str, objectives: Sequence[Objective]) -> list[Objective]:
    """The objectives, if an attack that changes classes can pursue them all; UsageError otherwise."""
    for objective in objectives:
        if not isinstance(objective, ClassChange) and kind_of(objective.name) not in changeable():
            listed = ", ".join(changeable())
            raise UsageError(
                f"{attack} has no objective '{objective.name}': it needs classes to change, as in {listed}"
            )
    return list(objectives)


class AnyWrong(ClassChange, TaskLoss):
    """Turn every correctly predicted element into a random wrong class (the original, untargeted DAG)."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.logits = logits_of(task)

    def adversarial_loss(self, reference: CleanReference, floor: float = 0.0) -> AdversarialLoss:
        """Only labelled elements that are predicted right on the clean image are targets."""
        label, count = (
            self.logits.labels(reference.outputs, reference.labels),
            len(self.task.class_set(reference.classes)),
        )
        logits = self.logits.of(reference.outputs)
        clean = logits.argmax(1)
        shifts = [g.integers(1, count, label.shape[1:]) for g in reference.generators("rival")]
        rival = (label + placed(torch.from_numpy(np.stack(shifts)), label.device)) % count
        targets = (label != VOID) & (clean == label) & self.logits.above(logits, floor)
        change = ClassTargets(self.logits, label, label != VOID)
        return replace(margin_loss(self.logits, label, rival, targets), class_targets=change)


def class_change(objective: Objective) -> Objective:
    """What an attack that changes classes pursues: for a bare task, any wrong class of its elements."""
    return AnyWrong(objective.task) if isinstance(objective, TaskLoss) else objective


def any_change(objective: Objective, reference: CleanReference) -> AdversarialLoss:
    """What an attack pursues that changes classes by itself: as `class_change`, but a bare task has no rivals.

    So nothing of the kind can be reached.
    """
    loss = class_change(objective).adversarial_loss(reference)
    return loss if isinstance(objective, ClassChange) else replace(loss, outcome=None)


def margin_loss(source: ClassLogits, current: Tensor, rival: Tensor, targets: Tensor) -> AdversarialLoss:
    """Raise f_rival - f_current over the targets that are still predicted `current`; all are (N,...)."""
    current = torch.where(targets, current, 0)

    def loss(outputs: Outputs) -> Tensor:
        logits = source.of(outputs)
        still = targets & (logits.argmax(1) == current)
        gap = logits.gather(1, rival[:, None]) - logits.gather(1, current[:, None])
        return torch.where(still, gap[:, 0], torch.zeros_like(gap[:, 0])).flatten(1).sum(1)

    def outcome(outputs: Outputs) -> Mapping[str, Tensor]:
        now = source.of(outputs).argmax(1)
        return target_counts(targets, now != current, now == rival)

    return AdversarialLoss(loss, targets.flatten(1).any(1), outcome=outcome)
