"""Iterative attacks that share one trajectory across radii for as long as no ball can have been touched."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budget import Budget
from robustbench_seg.attacks.problem import Problem

_ROUNDING = 2e-5
"""Of an image's values in float32, a step, in grey values."""


@dataclass(frozen=True)
class IterativeAttack(Perturbation):
    """Steps that depend on the current iterate alone.

    Subclasses say how many steps a radius takes (`count`), where a step goes (`direction`), how it is taken in
    a budget (`move`) and how far the iterate can be after t steps (`reach`). Until `reach` passes a radius its
    trajectory is the same as every larger one's, so it is followed once. A subclass that writes `run` means it for
    every radius: nothing is shared then, unless it writes `run_grid` too.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        written = {name: next(i for i, c in enumerate(cls.__mro__) if name in vars(c)) for name in ("run", "run_grid")}
        if written["run"] < written["run_grid"]:
            cls.run_grid = Perturbation.run_grid  # type: ignore[method-assign]

    @abstractmethod
    def count(self, epsilon: float) -> int:
        """The number of steps at this radius; it must not fall as the radius grows."""

    @abstractmethod
    def reach(self, steps: int) -> float:
        """An upper bound, in the budget's norm and grey values, on the distance after so many free steps.

        Infinite where the trajectory depends on the radius from the start (random starts).
        """

    @abstractmethod
    def move(self, direction: Tensor, budget: Budget) -> Tensor:
        """The displacement (N,3,H,W) of one step along an ascent direction.

        Where it depends on the radius `reach` must be infinite; ValueError in the run otherwise.
        """

    def direction(self, problem: Problem, x: Tensor) -> Tensor:
        """The ascent direction at x; 0 ends the trajectory of an image."""
        return problem.gradient(x)

    def start(self, problem: Problem, budget: Budget) -> Tensor:
        """Where this radius starts; the clean images unless overridden (`reach` must be infinite then, see `move`)."""
        return problem.images

    def run(self, problem: Problem, budget: Budget) -> Tensor:
        """The trajectory of one radius alone."""
        return self._follow(problem, budget, self.start(problem, budget), 0)

    def run_grid(self, problem: Problem, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """Follow the shared trunk; each radius branches off when its ball may be touched."""
        together = [budget for budget in budgets if self.reach(0) <= budget.epsilon]
        for budget in budgets:
            if budget not in together:
                yield budget, self.for_one_radius().run(problem, budget)
        yield from self.for_one_radius()._shared(problem, together)

    def _shared(self, problem: Problem, together: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        x, step = problem.images, 0
        while together:
            direction = self.direction(problem, x)
            if step == 0:
                self._refuse_dependence(problem, direction, together)
            if not direction.any():
                yield from ((budget, x) for budget in together)
                return
            stay = [b for b in together if self.reach(step + 1) <= b.epsilon and self.count(b.epsilon) > step + 1]
            for budget in together:
                if budget not in stay:
                    branch = self.for_one_radius()
                    after = branch._moved(x, direction, budget, step + 1)
                    yield budget, branch._follow(problem, budget, after, step + 1)
            if stay:
                x = self._moved(x, direction, stay[0], step + 1)
            together, step = stay, step + 1

    def starts_clean(self) -> bool:
        """Unless the start depends on the radius."""
        return self.reach(0) == 0

    def gradients(self, epsilons: Sequence[float]) -> int:
        """Gradients an image on this grid: the longest shared trunk once, and what each radius takes alone."""
        total, trunk = 0, 0
        for epsilon in (e for e in epsilons if e > 0):
            count = self.count(epsilon)
            # Gradients at iterates 0..shared are taken on the trunk.
            shared = -1 if self.reach(0) > epsilon else max(t for t in range(count) if self.reach(t) <= epsilon)
            trunk = max(trunk, shared + 1)
            total += count - (shared + 1)
        return total + trunk

    def _refuse_dependence(self, problem: Problem, direction: Tensor, budgets: Sequence[Budget]) -> None:
        """ValueError where radii that are to share a trajectory do not begin the same one."""
        if not all(torch.equal(self.start(problem, budget), problem.images) for budget in budgets):
            raise ValueError(f"{type(self).__name__}.start is not the clean images; let `reach` be infinite")
        first, *others = (self.for_one_radius().move(direction, budget) for budget in budgets)
        if not all(torch.equal(first, other) for other in others):
            raise ValueError(f"{type(self).__name__}.move depends on the radius; let `reach` be infinite")

    def _follow(self, problem: Problem, budget: Budget, x: Tensor, step: int) -> Tensor:
        for taken in range(step, self.count(budget.epsilon)):
            direction = self.direction(problem, x)
            if not direction.any():
                break
            x = self._moved(x, direction, budget, taken + 1)
        return x

    def _moved(self, x: Tensor, direction: Tensor, budget: Budget, steps: int) -> Tensor:
        """One step on. Only a ball that can be touched is projected onto, so that sharing changes no bit."""
        after, reach = x + self.move(direction, budget), self.reach(steps)
        if reach > budget.epsilon:
            return budget.project(after)
        after = after.clamp(0, 1)
        # At the first step, and at the last one before the ball can be touched: each time takes as long as a step.
        is_looked_at = steps == 1 or self.reach(steps + 1) > budget.epsilon
        if is_looked_at and not budget.distance(after) <= 1.001 * reach + steps * _ROUNDING:
            raise ValueError(f"{type(self).__name__} moved further than `reach` says in {steps} step(s)")
        return after


def random_unit(problem: Problem, purpose: str) -> Tensor:
    """One uniform draw in [-1,1] a value, (N,3,H,W): the same for every radius."""
    shape = problem.images.shape[1:]
    draws = [g.random(shape, dtype="float32") * 2 - 1 for g in problem.generators(purpose)]
    return torch.stack([torch.from_numpy(d) for d in draws]).to(problem.images.device)
