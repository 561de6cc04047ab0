"""PGD (Madry et al. 2018), with the step rule of Kurakin et al. 2017 where asked, and category hiding (UniNet 2021)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from robustbench_seg.attacks.budgets import LEVELS, Budget
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fgsm import SIGN_STEP
from robustbench_seg.attacks.iterative import IterativeAttack, Trajectory, random_unit
from robustbench_seg.attacks.step_size import AUTOMATIC, Share, StepSize, checked, read_step_size, step_size
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch

KURAKIN = (
    "as in the paper, few steps by Kurakin's rule; a bare `-a pgd` is stronger, the protocol `strong` stronger still"
)


def kurakin_steps(epsilon: float) -> int:
    """min(epsilon + 4, ceil(1.25 epsilon)), at least 1: 1 1 2 3 5 10 20 for .25 .5 1 2 4 8 16."""
    return max(1, math.ceil(min(epsilon + 4, 1.25 * epsilon)))


@dataclass(frozen=True)
class PGD(ChosenLoss, IterativeAttack):
    """Projected steps of `alpha` in the budget's norm.

    Args:
        loss: which loss of a task to ascend (see `ChosenLoss`).
        scale_free: bring logits to one scale first.
        steps: iterations; 0 is Kurakin's rule, which grows with epsilon.
        alpha: step size in units of 1/255, or a share of epsilon (`0.25 eps`); 0 is max(1/4, 2.5 / steps) of it.
        random_start: start at a uniform point of the ball.
        restarts: runs with different random starts, the most harmful kept image by image.
    """

    title: ClassVar[str] = "PGD"
    strength: ClassVar[int | None] = 2

    steps: int = 20
    alpha: StepSize = field(default=AUTOMATIC, metadata={"read": read_step_size})
    random_start: bool = False
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 0:
            raise UsageError(f"steps {self.steps} must be >= 0 (0 is Kurakin's rule)")
        checked(self.alpha)
        if self.restarts < 1 or (self.restarts > 1 and not self.random_start):
            raise UsageError(f"restarts {self.restarts} must be >= 1, and 1 unless random_start is true")

    def num_steps(self, epsilon: float) -> int:
        """The fixed number of steps, or Kurakin's."""
        return self.steps or kurakin_steps(epsilon)

    def caveat(self) -> str:
        """That Kurakin's rule, steps of 1/255, is not the strongest."""
        return KURAKIN if self.steps == 0 and self.alpha == 1 else ""

    def step_size(self, epsilon: float) -> float:
        """The size of a step in units of 1/255."""
        return step_size(self.alpha, epsilon, self.num_steps(epsilon))

    def max_displacement(self, steps: int) -> float:
        """Steps of a fixed alpha cannot pass steps * alpha (triangle inequality)."""
        # A chosen loss may change on the way, and by Kurakin's rule the way is each epsilon's own.
        is_own = self.random_start or (self.loss and self.steps == 0)
        return math.inf if is_own or isinstance(self.alpha, Share) or not self.alpha else steps * self.alpha

    def step(self, direction: Tensor, budget: Budget) -> Tensor:
        """A step of alpha, steepest in the budget's norm."""
        return budget.step(direction, self.step_size(budget.epsilon))

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """The best of the restarts, image by image."""
        if not self.random_start:
            return super().run(context, budget)
        best, most = context.images, context.images.new_full((len(context.images),), -math.inf)
        for start in self._starts(context, budget):
            x = self._follow(context, budget, Trajectory(start), 0)
            if self.restarts == 1:
                return x
            harm = context.harm(x)
            better = harm > most
            best = torch.where(better.view(-1, 1, 1, 1), x, best)
            most = torch.where(better, harm, most)
        return best

    # Restarts are of random starts, which share nothing; without them `run` is the trajectory that epsilons share.
    run_epsilons = IterativeAttack.run_epsilons

    def cache_key(self, epsilon: float, norm: str) -> Hashable | None:
        """A single step that reaches the `linf` ball is FGSM's; not of subclasses, which may do something else."""
        is_free = type(self) in (PGD, Hide) and norm == "linf" and self.uses_clean_gradient()
        is_one = is_free and self.num_steps(epsilon) == 1 and self.step_size(epsilon) >= epsilon
        return (SIGN_STEP, epsilon, norm) if is_one else None

    def uses_clean_gradient(self) -> bool:
        """Unless the start is random."""
        return not self.random_start

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """Restarts multiply the trajectory."""
        count = super().num_gradients(epsilons) * self.restarts
        # Epsilons that share no trunk still start from one gradient.
        started = sum(epsilon > 0 and self.num_steps(epsilon) > 0 for epsilon in epsilons)
        is_shared = self.uses_clean_gradient() and self.max_displacement(0) == math.inf
        return count - max(started - 1, 0) if is_shared else count

    def num_forwards(self, epsilons: Sequence[float]) -> int:
        """The harm of each of several restarts."""
        return self.restarts * sum(epsilon > 0 for epsilon in epsilons) if self.restarts > 1 else 0

    def _starts(self, context: AttackContext, budget: Budget) -> Iterator[Tensor]:
        for restart in range(self.restarts):
            offset = random_unit(context, f"start {restart}") * (budget.epsilon / LEVELS)
            yield budget.project(context.images + offset)


@dataclass(frozen=True)
class Hide(PGD):
    """Category hiding: PGD towards the clean prediction with a class filled in by its surroundings."""

    title: ClassVar[str] = "Hiding"
    strength: ClassVar[int | None] = None
    default_objectives: ClassVar[tuple[str, ...]] = ("hide:person",)


@dataclass(frozen=True)
class SegPGD(PGD):
    """SegPGD (Gu et al. 2022): pixels still right count more at first, all alike at the end."""

    title: ClassVar[str] = "SegPGD"

    loss: str = "segpgd"


@dataclass(frozen=True)
class CosPGD(PGD):
    """CosPGD (Agnihotri et al. 2024): a pixel counts as much as its prediction agrees with the label."""

    title: ClassVar[str] = "CosPGD"

    loss: str = "cosine"
