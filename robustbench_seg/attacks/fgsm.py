"""FGSM (Goodfellow et al. 2015): one step along the sign of the gradient."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.attacks.budgets import LEVELS, Budget
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.lazy import Tensor

SIGN_STEP = "one step along the sign of the clean gradient, onto the ball"
"""What names such perturbations (`cache_key`)."""


@dataclass(frozen=True)
class FGSM(ChosenLoss):
    """x + epsilon * sign(gradient), clipped to the valid range.

    Args:
        loss: which loss of a task to ascend.
        scale_free: bring logits to one scale first.
    """

    title: ClassVar[str] = "FGSM"
    strength: ClassVar[int | None] = 1

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """One step; the gradient at the clean images is shared by the whole grid."""
        return context.images + context.gradient(context.images).sign() * (budget.epsilon / LEVELS)

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """One, whatever the grid."""
        return int(any(epsilon > 0 for epsilon in epsilons))

    def uses_clean_gradient(self) -> bool:
        """Always."""
        return True

    def cache_key(self, epsilon: float, norm: str) -> Hashable | None:
        """A full step along the sign; not of subclasses, which may do something else."""
        return (SIGN_STEP, epsilon, norm) if type(self) is FGSM else None
