"""Universal perturbations (Metzen et al. 2017): one perturbation for every image, fitted on training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.objectives.base import LossChoice
from robustbench_seg.attacks.step_size import AUTOMATIC, StepSize, checked, read_step_size, step_size
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import Lagging

_PERTURBATION = "perturbation"


@dataclass(frozen=True)
class Universal(ChosenLoss, Fitted):
    """Steps along the mean gradient over training images; every image then gets the same perturbation.

    The targets of Metzen et al. are the objectives `static:TASK` and `hide:CLASS@TASK` (dynamic). In `rms` the
    perturbation stays in the ball while it is fitted, and is scaled onto the sphere of each image it is added to.

    Args:
        images: how many images of the train split it is fitted on, in their order; all where there are fewer.
        loss: which loss of a task to ascend (see `ChosenLoss`).
        scale_free: bring logits to one scale first.
        steps: passes over the training images, one step each.
        alpha: step size in units of 1/255, or a share of epsilon (`0.25 eps`); 0 is max(1/4, 2.5 / steps) of it.
        emphasis: how much the pixels of a hidden class count, against 1 less that for all others.
    """

    title: ClassVar[str] = "Universal"

    steps: int = 20
    alpha: StepSize = field(default=AUTOMATIC, metadata={"read": read_step_size})
    emphasis: float = 0.9999

    def __post_init__(self) -> None:
        super().__post_init__()
        Fitted.__post_init__(self)
        if self.steps < 1:
            raise UsageError(f"steps {self.steps} must be >= 1")
        checked(self.alpha)
        if not 0 < self.emphasis < 1:
            raise UsageError(f"emphasis {self.emphasis} must be between 0 and 1 (0.5: all pixels count alike)")

    @property
    def choice(self) -> LossChoice:
        """The chosen loss, and how much what is hidden counts."""
        return LossChoice(self.loss, self.scale_free, self.emphasis)

    def fit(self, batches: Sequence[tuple[AttackContext, Budget]]) -> Mapping[str, Tensor]:
        """The perturbation (1,3,H,W)."""
        context, budget = batches[0]
        perturbation = torch.zeros_like(context.images[:1])
        alpha = step_size(self.alpha, budget.epsilon, self.steps)
        is_over, moves = Lagging(), torch.ones((), dtype=torch.bool, device=perturbation.device)
        for step in range(self.steps):
            direction = _mean_gradient(batches, perturbation, step / self.steps)
            moves = moves & direction.any()
            if is_over(~moves):
                break
            after = budget.shrink(perturbation + budget.step(direction, alpha))
            perturbation = torch.where(moves, after, perturbation)
        return {_PERTURBATION: perturbation}

    def apply(self, context: AttackContext, budget: Budget, fitted: Mapping[str, Tensor]) -> Tensor:
        """The images with the perturbation; InputError where they are of another size."""
        perturbation = fitted[_PERTURBATION]
        (height, width), (fitted_height, fitted_width) = context.images.shape[2:], perturbation.shape[2:]
        if (height, width) != (fitted_height, fitted_width):
            raise InputError(
                f"the universal perturbation is fitted on images of {fitted_height} x {fitted_width}, "
                f"this one is {height} x {width}; it needs a data set with images of one size"
            )
        return context.images + perturbation

    def num_fit_gradients(self, epsilons: Sequence[float]) -> int:
        """A gradient per step for each epsilon."""
        return self.steps * sum(epsilon > 0 for epsilon in epsilons)


def _mean_gradient(batches: Sequence[tuple[AttackContext, Budget]], perturbation: Tensor, progress: float) -> Tensor:
    """The direction (1,3,H,W) of the mean gradient over all images under the perturbation, its largest value 1.

    Images are added up one by one in float64, so that how they are batched shows in their own gradients' rounding only.
    """
    total = torch.zeros_like(perturbation[0], dtype=torch.float64)
    for context, budget in batches:
        gradient = context.gradient(budget.project(context.images + perturbation), progress)
        for image in gradient:
            total += image
    # The mean of a saturated network's gradients may be too small for float32.
    peak = total.abs().amax()
    return (total / torch.where(peak > 0, peak, torch.ones_like(peak)))[None].to(perturbation.dtype)
