"""Iterative attacks that share one trajectory across epsilons for as long as no ball can have been touched."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget, largest
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import Lagging

_ROUNDING = 2e-5
"""Of an image's values in float32, a step, in units of 1/255."""


@dataclass(frozen=True)
class IterativeAttack(Perturbation):
    """Steps that depend on the current iterate alone.

    Subclasses say how many steps an epsilon takes (`num_steps`), where a step goes (`direction`), how it is taken in
    a budget (`step`) and how far the iterate can be after t steps (`max_displacement`). Until that passes an epsilon
    its trajectory is the same as every larger one's, so it is followed once. A subclass that writes `run` means it for
    every epsilon: nothing is shared then, unless it writes `run_epsilons` too.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        written = {
            name: next(i for i, c in enumerate(cls.__mro__) if name in vars(c)) for name in ("run", "run_epsilons")
        }
        if written["run"] < written["run_epsilons"]:
            cls.run_epsilons = Perturbation.run_epsilons  # type: ignore[method-assign]

    @abstractmethod
    def num_steps(self, epsilon: float) -> int:
        """The number of steps at this epsilon; it must not fall as the epsilon grows."""

    @abstractmethod
    def max_displacement(self, steps: int) -> float:
        """An upper bound, in the budget's norm and units of 1/255, on the distance after so many free steps.

        Infinite where the trajectory depends on the epsilon from the start (random starts).
        """

    @abstractmethod
    def step(self, direction: Tensor, budget: Budget) -> Tensor:
        """The displacement (N,3,H,W) of one step along an ascent direction.

        Where it depends on the epsilon `max_displacement` must be infinite; ValueError in the run otherwise.
        """

    def direction(self, context: AttackContext, x: Tensor, progress: float) -> Tensor:
        """The ascent direction at x after a share `progress` of the steps; 0 ends the trajectory of an image."""
        return context.gradient(x, progress)

    def start(self, context: AttackContext, budget: Budget) -> Tensor:
        """Where this epsilon starts; the clean images unless overridden (then as for `step`)."""
        return context.images

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """The trajectory of one epsilon alone."""
        return self._follow(context, budget, Trajectory(self.start(context, budget)), 0)

    def run_epsilons(self, context: AttackContext, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """Follow the shared trunk; each epsilon branches off when its ball may be touched."""
        together = [b for b in budgets if self.max_displacement(0) <= b.epsilon and self.num_steps(b.epsilon) > 0]
        for budget in budgets:
            if budget not in together:
                yield budget, self.for_one_epsilon().run(context, budget)
        yield from self.for_one_epsilon()._shared(context, together)

    def _shared(self, context: AttackContext, together: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        trunk, step = Trajectory(context.images), 0
        while together:
            direction = self._directed(context, trunk.x, step / self.num_steps(together[0].epsilon))
            if step == 0:
                self._expect_independence(context, direction, together)
            if trunk.ends(direction):
                yield from ((budget, trunk.x) for budget in together)
                return
            stay = [
                b
                for b in together
                if self.max_displacement(step + 1) <= b.epsilon and self.num_steps(b.epsilon) > step + 1
            ]
            for budget in together:
                if budget not in stay:
                    alone, branch = self.for_one_epsilon(), trunk.branch()
                    branch.move(alone._moved(context, branch.x, direction, budget, step + 1))
                    yield budget, alone._follow(context, budget, branch, step + 1)
            if stay:
                trunk.move(self._moved(context, trunk.x, direction, stay[0], step + 1))
            together, step = stay, step + 1

    def uses_clean_gradient(self) -> bool:
        """Unless the start depends on the epsilon."""
        return self.max_displacement(0) == 0

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """Gradients an image on this grid: the longest shared trunk once, and what each epsilon takes alone."""
        total, trunk = 0, 0
        for epsilon in (e for e in epsilons if e > 0):
            num_steps = self.num_steps(epsilon)
            # Gradients at iterates 0..shared are taken on the trunk.
            shared = (
                -1
                if self.max_displacement(0) > epsilon
                else max((t for t in range(num_steps) if self.max_displacement(t) <= epsilon), default=-1)
            )
            trunk = max(trunk, shared + 1)
            total += num_steps - (shared + 1)
        return total + trunk

    def _expect_independence(self, context: AttackContext, direction: Tensor, budgets: Sequence[Budget]) -> None:
        """Expect epsilons that are to share a trajectory to begin the same one."""
        name = type(self).__name__
        error = ValueError(f"{name}.start is not the clean images; let `max_displacement` be infinite")
        for budget in budgets:
            if (start := self.start(context, budget)) is not context.images:
                context.expect(start == context.images, error)
        error = ValueError(f"{name}.step depends on epsilon; let `max_displacement` be infinite")
        first, *others = (self.for_one_epsilon().step(direction, budget) for budget in budgets)
        for other in others:
            context.expect(first == other, error)

    def _follow(self, context: AttackContext, budget: Budget, trajectory: Trajectory, step: int) -> Tensor:
        for taken in range(step, self.num_steps(budget.epsilon)):
            direction = self._directed(context, trajectory.x, taken / self.num_steps(budget.epsilon))
            if trajectory.ends(direction):
                break
            trajectory.move(self._moved(context, trajectory.x, direction, budget, taken + 1))
        return trajectory.x

    def _directed(self, context: AttackContext, x: Tensor, progress: float) -> Tensor:
        """The direction, which has to be finite."""
        direction = self.direction(context, x, progress)
        is_finite = largest(direction).isfinite() | ~context.attackable
        context.expect(is_finite, FloatingPointError("the direction of an attack is not finite"))
        return direction

    def _moved(self, context: AttackContext, x: Tensor, direction: Tensor, budget: Budget, steps: int) -> Tensor:
        """One step on. Only a ball that can be touched is projected onto, so that sharing changes no bit."""
        after, max_displacement = x + self.step(direction, budget), self.max_displacement(steps)
        if max_displacement > budget.epsilon:
            return budget.project(after)
        after = after.clamp(0, 1)
        # At the first step, and at the last one before the ball can be touched: each time takes as long as a step.
        if steps == 1 or self.max_displacement(steps + 1) > budget.epsilon:
            is_within = budget.distance(after) <= 1.001 * max_displacement + steps * _ROUNDING
            moved = f"{type(self).__name__} moved further than `max_displacement` says in {steps} step(s)"
            context.expect(is_within, ValueError(moved))
        return after


class Trajectory:
    """Where the images of a batch are, and which of them still move: a direction of 0 ends an image's trajectory."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self._moves = torch.ones(len(x), dtype=torch.bool, device=x.device)
        self._is_over = Lagging()

    def ends(self, direction: Tensor) -> bool:
        """Take the next direction (N,3,H,W), and return whether it is known that no image moves any more."""
        self._moves = self._moves & (largest(direction) > 0)
        return self._is_over(~self._moves.any())

    def move(self, after: Tensor) -> None:
        """Move the images that still move."""
        self.x = torch.where(self._moves.view(-1, 1, 1, 1), after, self.x)

    def branch(self) -> Trajectory:
        """Another one from here."""
        made = Trajectory(self.x)
        made._moves = self._moves
        return made


def random_unit(context: AttackContext, purpose: str) -> Tensor:
    """Uniform values in [-1,1], (N,3,H,W): the same for every epsilon."""
    return context.drawn(purpose, lambda draw, shape: draw.random(shape, np.float32) * 2 - 1)
