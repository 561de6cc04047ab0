"""Goals on class logits: raise a rival's logit wherever a target still has its class (DAG, Xie et al. 2017)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.tasks.base import ClassLogits, Outputs, Task
from robustbench_seg.tasks.registry import TASKS, ordered_names


def changeable() -> dict[str, ClassLogits]:
    """The tasks whose classes can be changed, and where they are decided."""
    found = {name: TASKS.get(name).class_logits for name in ordered_names()}
    return {name: logits for name, logits in found.items() if logits is not None}


def _logits(task: Task) -> ClassLogits:
    assert task.class_logits is not None
    return task.class_logits


class ClassChange(Objective):
    """An objective on class logits, whose targets may need a confidence."""

    @abstractmethod
    def adversarial_loss(self, reference: CleanReference, floor: float = 0.0) -> AdversarialLoss:
        """The adversarial loss for one batch; elements less confident than `floor` are no targets."""


class Swap(ClassChange):
    """Swap two classes: raise each one's rival logit where the clean prediction is one of them.

    The dense adversary generation of Xie et al. 2017 with the permutation of UniNet 2021, eq. 4; active are the
    elements still predicted as on the clean image. Uses no labels.
    """

    def __init__(self, first: str, second: str, task: Task) -> None:
        self.pair = (first, second)
        self.name = f"swap:{first},{second}@{task.name}"
        self.needs = (task.name,)
        self.logits = _logits(task)

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """Those of the two that `classes` lacks."""
        return [name for name in self.pair if classes.find(name) is None]

    def adversarial_loss(self, reference: CleanReference, floor: float = 0.0) -> AdversarialLoss:
        """Images without an element of either class above the confidence floor have no target."""
        first, second = (reference.classes.find(name) for name in self.pair)
        assert first is not None
        assert second is not None
        clean = self.logits.of(reference.outputs)
        current = clean.argmax(1)
        rival = torch.where(current == first, second, first)
        targets = ((current == first) | (current == second)) & self.logits.above(clean, floor)
        return margin_loss(self.logits, current, rival, targets)


class AnyWrong(ClassChange):
    """Turn every correctly predicted element into a random wrong class (the original, untargeted DAG)."""

    def __init__(self, task: Task) -> None:
        self.name = task.name
        self.needs = (task.name,)
        self.logits = _logits(task)

    def adversarial_loss(self, reference: CleanReference, floor: float = 0.0) -> AdversarialLoss:
        """Only labelled elements that are predicted right on the clean image are targets."""
        label, count = self.logits.labels(reference.outputs, reference.labels), len(reference.classes)
        logits = self.logits.of(reference.outputs)
        clean = logits.argmax(1)
        shifts = [g.integers(1, count, label.shape[1:]) for g in reference.generators("rival")]
        rival = (label + torch.from_numpy(np.stack(shifts)).to(label.device)) % count
        targets = (label != VOID) & (clean == label) & self.logits.above(logits, floor)
        return margin_loss(self.logits, label, rival, targets)


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
        counts = {
            "targets": targets,
            "targets_changed": targets & (now != current),
            "targets_reached": targets & (now == rival),
        }
        return {name: mask.flatten(1).sum(1) for name, mask in counts.items()}

    return AdversarialLoss(loss, targets.flatten(1).any(1), outcome=outcome)
