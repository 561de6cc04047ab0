"""DAG (Xie et al. 2017): dense adversary generation, untargeted or swapping two classes (UniNet 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.attacks.budgets import LEVELS, Budget, max_normalised
from robustbench_seg.attacks.iterative import IterativeAttack
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.attacks.objectives.margins import ClassChange, class_change, class_changes
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor
from robustbench_seg.tasks.base import Task


@dataclass(frozen=True)
class DAG(IterativeAttack):
    """Raise a rival logit at every target pixel until its class has changed.

    Each step moves the image by `gamma` / 255 at most, along the gradient of the summed logit gaps of the
    targets still unchanged. Without an epsilon only the valid range binds; with one (`linf`, `rms`) it is the
    direction that is evaluated at that epsilon.

    Args:
        steps: the most iterations (the paper: 200 for segmentation, 150 for detection).
        gamma: step size in units of 1/255.
        floor: the least probability of a detector's location that counts as a target; the paper takes all (0).
    """

    title: ClassVar[str] = "DAG"
    title_with_epsilon: ClassVar[str] = "direction"
    norms: ClassVar[tuple[str, ...]] = ("none", "linf", "rms")
    default_objectives: ClassVar[tuple[str, ...]] = ("semantic",)

    steps: int = 200
    gamma: float = 0.5
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"steps {self.steps} must be >= 1")
        if not 0 < self.gamma < 256:
            raise UsageError(f"gamma {self.gamma} must be a positive number below 256 (in units of 1/255)")
        if not 0 <= self.floor < 1:
            raise UsageError(f"floor {self.floor} must be a probability from 0 to below 1")

    def objectives(self, wanted: Sequence[str] | None, tasks: Mapping[str, Task]) -> list[Objective]:
        """Objectives on class logits; UsageError for another task's loss."""
        return class_changes("dag", super().objectives(wanted, tasks))

    def adversarial_loss(self, objective: Objective, reference: CleanReference) -> AdversarialLoss:
        """A bare task means: every correct pixel or location to a random wrong class."""
        chosen = class_change(objective)
        return (
            chosen.adversarial_loss(reference, self.floor)
            if isinstance(chosen, ClassChange)
            else chosen.adversarial_loss(reference)
        )

    def num_steps(self, epsilon: float) -> int:
        """The same cap for every epsilon."""
        return self.steps

    def max_displacement(self, steps: int) -> float:
        """No value moves by more than gamma a step, so neither does the RMS."""
        return steps * self.gamma

    def step(self, direction: Tensor, budget: Budget) -> Tensor:
        """Gamma times the direction over its largest value, whatever the budget."""
        return max_normalised(direction) * (self.gamma / LEVELS)
