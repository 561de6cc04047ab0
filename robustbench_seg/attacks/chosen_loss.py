"""Attacks whose loss is a parameter: any that a task declares (`Task.attack_losses`), or its own."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, LossChoice, Objective
from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.registry import attack_losses


@dataclass(frozen=True)
class ChosenLoss(Perturbation):
    """An attack on a loss that is chosen by name.

    Args:
        loss: one of the losses that tasks declare for attacks; a task that has none of that name, and an empty name,
            mean the task's own.
        scale_free: bring the logits of a segmentation to one scale first, so that the attack on logits times any factor
            is the same.
    """

    loss: str = ""
    scale_free: bool = True

    def __post_init__(self) -> None:
        known = attack_losses()
        if self.loss and self.loss not in known:
            raise UsageError(f"loss '{self.loss}' is none that a task has; choose from {', '.join(known)}")

    @property
    def choice(self) -> LossChoice:
        """How objectives are pursued."""
        return LossChoice(self.loss, self.scale_free)

    def adversarial_loss(self, objective: Objective, reference: CleanReference) -> AdversarialLoss:
        """The objective pursued by the chosen loss."""
        return objective.chosen_loss(reference, self.choice)

    def loss_key(self) -> Hashable:
        """The choice, unless a subclass makes its losses itself."""
        kind = type(self)
        is_shared = kind.adversarial_loss is ChosenLoss.adversarial_loss and kind.objectives is Perturbation.objectives
        return self.choice if is_shared else super().loss_key()
