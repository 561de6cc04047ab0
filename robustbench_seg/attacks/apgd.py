"""APGD (Croce and Hein 2020): steps with momentum whose size is halved where they no longer pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.context import AttackContext, Evaluated
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch

MOMENTUM = 0.75
"""The share of the new step; the rest is the last move again."""
IMPROVING = 0.75
"""The share of a window's steps that must get closer to the goal."""
WINDOWS = (0.22, 0.06, 0.03)
"""The first window, the shortest one, and by how much each is shorter than the one before, as shares of the steps."""
STAGES = ((2.0, 0.3), (1.5, 0.3), (1.0, 0.4))
"""SEA's budgets as multiples of epsilon, and their shares of the steps (Croce et al. 2024, section 3.3)."""

LEAST_STEPS = 2
"""Of a ball."""


@dataclass(frozen=True)
class APGD(ChosenLoss):
    """Auto-PGD; its result is the point of the trajectory at which an image is predicted worst.

    Whether a step pays is judged by the task's performance (for segmentation the share of pixels still right): a masked
    loss falls as pixels become wrong, so it cannot be the judge of its own steps.

    Args:
        loss: which loss of a task to ascend.
        scale_free: bring logits to one scale first.
        steps: gradients per epsilon.
        stages: pass through balls of 2, 1.5 and 1 times epsilon in 30, 30 and 40 % of the steps, as SEA does.
        warm_start: start from the result at the next smaller epsilon, rather than at the clean image.
        by_loss: judge steps, and choose the result, by the loss, as in the paper.
    """

    title: ClassVar[str] = "APGD"
    strength: ClassVar[int | None] = 2

    steps: int = 50
    stages: bool = False
    warm_start: bool = False
    by_loss: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # The first gradient of a ball is that at its start: a ball with one would leave the image where it is.
        least = LEAST_STEPS * len(STAGES) if self.stages else LEAST_STEPS
        if self.steps < least:
            raise UsageError(f"steps {self.steps} must be >= {least}{' with stages' if self.stages else ''}")

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """One epsilon from the clean images."""
        return self._from(context, budget, context.images)

    def run_epsilons(self, context: AttackContext, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """Epsilons from the smallest on, each from the result of the one before where starts are warm."""
        x = context.images
        for budget in sorted(budgets, key=lambda budget: budget.epsilon):
            x = self._from(context, budget, budget.finish(x) if self.warm_start else context.images)
            yield budget, x

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """As many as steps for each epsilon."""
        return self.steps * sum(epsilon > 0 for epsilon in epsilons)

    def _from(self, context: AttackContext, budget: Budget, start: Tensor) -> Tensor:
        x, taken = start, 0
        for multiple, share in STAGES if self.stages else [(1.0, 1.0)]:
            ball = replace(budget, epsilon=multiple * budget.epsilon)
            steps = self.steps - taken if multiple == 1 else round(share * self.steps)
            taken += steps
            if steps:
                x = self._ascend(context, ball, ball.project(x), steps)
        return x

    def _ascend(self, context: AttackContext, budget: Budget, start: Tensor, steps: int) -> Tensor:
        """The best point of each image in one ball; step sizes and decisions are each image's own."""
        now = best = self._evaluated(context, start)
        before, alpha = start, torch.full_like(now.loss, 2 * budget.epsilon)
        window = _Window(now, steps)
        for taken in range(1, steps):
            moved = _moved(budget, now, before, alpha, 1.0 if taken == 1 else MOMENTUM)
            before, last, now = now.x, now, self._evaluated(context, moved, taken / steps)
            best = now.where(now.performance < best.performance, best)
            stuck = window.stuck(now.performance < last.performance, best.performance)
            if stuck is not None:
                alpha = torch.where(stuck, alpha / 2, alpha)
                now = best.where(stuck, now)
        return best.x

    def _evaluated(self, context: AttackContext, x: Tensor, progress: float = 0.0) -> Evaluated:
        point = context.evaluate(x, progress)
        return replace(point, performance=-point.loss) if self.by_loss else point


def _moved(budget: Budget, now: Evaluated, before: Tensor, alpha: Tensor, share: float) -> Tensor:
    step = budget.step(now.gradient, 1.0) * alpha.view(-1, 1, 1, 1)
    there = budget.project(now.x + step)
    return budget.project(now.x + share * (there - now.x) + (1 - share) * (now.x - before))


class _Window:
    """The steps since the last checkpoint, image by image (N,)."""

    def __init__(self, start: Evaluated, steps: int) -> None:
        self.length, self.shortest, self.shorter = (max(int(share * steps), 1) for share in WINDOWS)
        self.taken, self.improved, self.best = 0, torch.zeros_like(start.performance), start.performance
        self.halved = torch.ones_like(self.best, dtype=torch.bool)

    def stuck(self, improved: Tensor, best: Tensor) -> Tensor | None:
        """Which images halve their step after one more step; None where it does not end a window.

        Those of which too few steps improved, and those whose best is still that of the last checkpoint, where they did
        not halve it either.
        """
        self.taken, self.improved = self.taken + 1, self.improved + improved
        if self.taken < self.length:
            return None
        stuck: Tensor = (self.improved < IMPROVING * self.taken) | (~self.halved & (best >= self.best))
        self.length = max(self.length - self.shorter, self.shortest)
        self.taken, self.improved, self.best, self.halved = 0, torch.zeros_like(best), best, stuck
        return stuck
