"""ALMA prox (Rony et al. 2023), through adv-lib: the smallest perturbation that changes nearly every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import LEVELS, Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.attacks.objectives.margins import any_change, class_changes
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import Task


@dataclass(frozen=True)
class ALMA(Perturbation):
    """The smallest L∞ perturbation with which a share of an image's labelled pixels is wrong, or swapped.

    It has no budget: what it took is the realised L∞ and RMS of each row. Where no iterate reaches the share, the one
    that comes closest to it is the result. adv-lib's function sees logits alone, as a function of an image that can be
    differentiated (`AttackContext.logits`), and one image at a time: the precision of its search depends on the batch.

    Args:
        steps: gradients per image.
        share: the share of the pixels that must change.
        alpha: the first step size in units of 1/255, falling to a tenth; the paper's .001 is .255 of these.
    """

    title: ClassVar[str] = "ALMA prox"
    norms: ClassVar[tuple[str, ...]] = ("none",)
    default_objectives: ClassVar[tuple[str, ...]] = ("semantic",)

    steps: int = 500
    share: float = 0.99
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise UsageError(f"steps {self.steps} must be >= 2")
        if not 0 < self.share <= 1:
            raise UsageError(f"share {self.share} must be above 0 and at most 1")
        if not 0 < self.alpha < 256:
            raise UsageError(f"alpha {self.alpha} must be a positive number below 256 (in units of 1/255)")

    def objectives(self, wanted: Sequence[str] | None, tasks: Mapping[str, Task]) -> list[Objective]:
        """Objectives on class logits; UsageError for another task's loss, and where adv-lib is not installed."""
        advlib.require("alma")
        return class_changes("alma", super().objectives(wanted, tasks))

    def adversarial_loss(self, objective: Objective, reference: CleanReference) -> AdversarialLoss:
        """A bare task means: every labelled pixel to any wrong class."""
        return any_change(objective, reference)

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """As many as steps."""
        return self.steps * sum(epsilon > 0 for epsilon in epsilons)

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """The smallest perturbation of each image."""
        x = context.images.clone()
        for i in context.attackable.nonzero().flatten().tolist():
            x[i : i + 1] = self._smallest(context, i)
        return x

    def _smallest(self, context: AttackContext, i: int) -> Tensor:
        targets, part = context.class_targets, slice(i, i + 1)

        def logits(x: Tensor) -> Tensor:
            values = context.logits(x)
            least = 4 if targets.is_targeted else 3
            if values.shape[1] < least:
                raise UsageError(f"alma compares {least} classes, and there are {values.shape[1]}")
            # Elements in two dimensions, whatever they are: adv-lib takes those of an image.
            return values.flatten(2).unsqueeze(-1)

        prox = advlib.load("attacks/segmentation/alma_prox").alma_prox
        with torch.enable_grad():
            x: Tensor = prox(
                logits,
                context.images[part],
                targets.classes[part].flatten(1).unsqueeze(-1),
                targets.mask[part].flatten(1).unsqueeze(-1),
                targeted=targets.is_targeted,
                adv_threshold=self.share,
                num_steps=self.steps,
                lr_init=self.alpha / LEVELS,
            )
        return x
