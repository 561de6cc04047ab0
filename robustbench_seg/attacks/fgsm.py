"""FGSM (Goodfellow et al. 2015): one step along the sign of the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budget import GREY, Budget
from robustbench_seg.attacks.problem import Problem


@dataclass(frozen=True)
class FGSM(Perturbation):
    """x + epsilon * sign(gradient), clipped to the valid range."""

    def run(self, problem: Problem, budget: Budget) -> Tensor:
        """One step; the gradient at the clean images is shared by the whole grid."""
        return problem.images + problem.gradient(problem.images).sign() * (budget.epsilon / GREY)

    def gradients(self, epsilons: Sequence[float]) -> int:
        """One, whatever the grid."""
        return int(any(epsilon > 0 for epsilon in epsilons))
