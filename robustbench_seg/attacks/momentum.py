"""MI-FGSM (Dong et al. 2018): steps along an accumulated gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.iterative import Trajectory
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch


@dataclass(frozen=True)
class MIFGSM(PGD):
    """PGD along g <- decay * g + gradient / mean |gradient|, normalised image by image.

    Args:
        decay: how much of the accumulated gradient is kept at each step.
    """

    title: ClassVar[str] = "MI-FGSM"

    decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.decay < math.inf:
            raise UsageError(f"decay {self.decay} must be a finite number >= 0")

    def max_displacement(self, steps: int) -> float:
        """Infinite: what was accumulated is each epsilon's own."""
        return math.inf

    def _follow(self, context: AttackContext, budget: Budget, trajectory: Trajectory, step: int) -> Tensor:
        x, steps = trajectory.x, self.num_steps(budget.epsilon)
        momentum = torch.zeros_like(x)
        for taken in range(step, steps):
            gradient = self.direction(context, x, taken / steps)
            size = gradient.abs().mean((1, 2, 3), keepdim=True)
            momentum = self.decay * momentum + gradient / torch.where(size > 0, size, 1)
            x = budget.project(x + self.step(momentum, budget))
        return x
