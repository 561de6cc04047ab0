"""Square attack (Andriushchenko et al. 2020): random squares, kept where they raise the loss; no gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from robustbench_seg.attacks.budgets import LEVELS, Budget
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import placed

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""The shares of all queries after which a square has half the area (`p_selection` of the authors' code)."""


@dataclass(frozen=True)
class Square(ChosenLoss):
    """A black box attack: it sees the loss of its queries alone.

    Every square is set to the ends of the budget, one sign per channel. In `linf` these are the corners of the ball;
    in `rms` the whole perturbation is scaled back onto the sphere, so that a square takes energy from the rest.

    Args:
        queries: forwards per epsilon.
        share: the share of the image that the first squares cover.
    """

    title: ClassVar[str] = "Square"

    queries: int = 500
    share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.queries < 1:
            raise UsageError(f"queries {self.queries} must be >= 1")
        if not 0 < self.share <= 1:
            raise UsageError(f"share {self.share} must be above 0 and at most 1")

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """The best of the queries, image by image."""
        streams = context.generators("square")
        images, size = context.images, budget.epsilon / LEVELS
        x = budget.finish(images + size * _as_tensor([_stripes(g, images.shape[1:]) for g in streams], images))
        harm = context.harm(x)
        for query in range(1, self.queries):
            side = self._side(query, images.shape[2:])
            squares = _as_tensor([_square(g, images.shape[1:], side) for g in streams], images)
            candidate = budget.finish(torch.where(squares != 0, images + size * squares, x))
            value = context.harm(candidate)
            better = value > harm
            x, harm = torch.where(better.view(-1, 1, 1, 1), candidate, x), torch.where(better, value, harm)
        return x

    def num_forwards(self, epsilons: Sequence[float]) -> int:
        """As many queries as given for each epsilon."""
        return self.queries * sum(epsilon > 0 for epsilon in epsilons)

    def _side(self, query: int, shape: Sequence[int]) -> int:
        halved = sum(query > share * self.queries for share in HALVINGS)
        area = self.share / 2**halved * shape[0] * shape[1]
        return int(min(max(round(area**0.5), 1), *shape))


def _as_tensor(draws: Sequence[np.ndarray], images: Tensor) -> Tensor:
    return placed(torch.from_numpy(np.stack(draws)), images.device)


def _signs(draw: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    return draw.integers(0, 2, shape).astype(np.float32) * 2 - 1


def _stripes(draw: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Vertical stripes (3,H,W) of one pixel, one sign per channel and column."""
    channels, height, width = shape
    return np.broadcast_to(_signs(draw, (channels, 1, width)), (channels, height, width)).copy()


def _square(draw: np.random.Generator, shape: Sequence[int], side: int) -> np.ndarray:
    """0 but for a square of that side at a random place, which has one sign per channel: (3,H,W)."""
    channels, height, width = shape
    top, left = draw.integers(0, height - side + 1), draw.integers(0, width - side + 1)
    square = np.zeros((channels, height, width), np.float32)
    square[:, top : top + side, left : left + side] = _signs(draw, (channels, 1, 1))
    return square
