"""Swapping two classes with the margins of DAG (UniNet 2021, section 4.3)."""

from __future__ import annotations

from dataclasses import replace

from robustbench_seg.attacks.objectives.base import (
    AdversarialLoss,
    ClassTargets,
    CleanReference,
    Description,
    Objective,
    Tasks,
    at_hand,
    split_task,
)
from robustbench_seg.attacks.objectives.margins import ClassChange, changeable, logits_of, margin_loss
from robustbench_seg.classes import ClassSet, canonical
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import torch
from robustbench_seg.tasks.base import Task


class Swap(ClassChange):
    """Swap two classes: raise each one's rival logit where the clean prediction is one of them.

    The dense adversary generation of Xie et al. 2017 with the permutation of UniNet 2021, eq. 4; active are the
    elements still predicted as on the clean image. Uses no labels.
    """

    def __init__(self, first: str, second: str, task: Task) -> None:
        self.pair = (first, second)
        self.name = f"swap:{first},{second}@{task.name}"
        self.needs = (task.name,)
        self.task, self.logits = task, logits_of(task)

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """`CLASS,CLASS@TASK`, of every task whose classes can be changed where none is named."""
        pair, names = split_task(argument, changeable())
        first, comma, second = pair.partition(",")
        if not comma or not first or not second:
            raise UsageError("it needs two classes, as in swap:person,car@semantic")
        if canonical(first) == canonical(second):
            raise UsageError("it names one class twice; give two")
        return [cls(first.strip(), second.strip(), task) for task in at_hand(names, tasks)]

    @classmethod
    def describe(cls, argument: str) -> Description:
        """The two classes."""
        pair, names = split_task(argument, changeable())
        classes = tuple(name.strip() for name in pair.split(","))
        return Description(" ↔ ".join(classes), " ↔ ".join(classes), attacks=tuple(names), classes=classes)

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """Those of the two that `classes` lacks."""
        return [name for name in self.pair if classes.find(name) is None]

    def adversarial_loss(self, reference: CleanReference, floor: float = 0.0) -> AdversarialLoss:
        """Images without an element of either class above the confidence floor have no target."""
        first, second = (self.task.class_set(reference.classes).find(name) for name in self.pair)
        assert first is not None
        assert second is not None
        clean = self.logits.of(reference.outputs)
        current = clean.argmax(1)
        rival = torch.where(current == first, second, first)
        targets = ((current == first) | (current == second)) & self.logits.above(clean, floor)
        change = ClassTargets(self.logits, rival, targets, is_targeted=True)
        return replace(margin_loss(self.logits, current, rival, targets), class_targets=change)
