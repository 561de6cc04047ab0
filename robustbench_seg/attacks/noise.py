"""Noise: Gaussian and salt-and-pepper, exactly at the requested RMS after clipping (Klingner 2020, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import LEVELS, Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import placed


@dataclass(frozen=True)
class Noise(Perturbation):
    """Randomness without a model: one draw per image serves every epsilon and every model."""

    norms: ClassVar[tuple[str, ...]] = ("rms",)
    strength: ClassVar[int | None] = 0
    default_objectives: ClassVar[tuple[str, ...]] = ()

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """Noisy images; the budget scales their noise onto its sphere."""
        ((_, noisy),) = self.run_epsilons(context, [budget])
        return noisy


@dataclass(frozen=True)
class Gaussian(Noise):
    """White Gaussian noise on every value, scaled so that its RMS is epsilon after clipping."""

    title: ClassVar[str] = "Gaussian noise"

    def run_epsilons(self, context: AttackContext, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """One draw for the whole grid."""
        noisy = context.images + context.drawn("gaussian", lambda draw, shape: draw.standard_normal(shape, np.float32))
        yield from ((budget, noisy) for budget in budgets)


@dataclass(frozen=True)
class SaltAndPepper(Noise):
    """Whole pixels set to black or white, in an order drawn once per image.

    The shortest prefix whose energy reaches epsilon^2 * 3HW is taken, its last pixel moved only part of the way: the
    RMS is exact at every size, and a larger epsilon contains a smaller one.
    """

    title: ClassVar[str] = "Salt-and-pepper noise"

    def run_epsilons(self, context: AttackContext, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """One order of pixels and colours per image for the whole grid."""
        salt = _Salt(context.images, context.generators("salt_and_pepper"))
        yield from ((budget, salt.at(budget.epsilon / LEVELS)) for budget in budgets)


class _Salt:
    """The order in which pixels turn black or white, and the energy spent after each, image by image."""

    def __init__(self, images: Tensor, streams: Sequence[np.random.Generator]) -> None:
        self._images, self._pixels = images, images.flatten(2)
        count = self._pixels.shape[2]
        draws = [(draw.permutation(count), draw.integers(0, 2, count).astype(np.float32)) for draw in streams]
        order, colours = (placed(torch.from_numpy(np.stack(part)), images.device) for part in zip(*draws, strict=True))
        self._delta = colours[:, None] - self._pixels
        red, green, blue = self._delta.double().square().unbind(1)
        self._energy = (red + green + blue).gather(1, order).cumsum(1)
        self._rank = order.argsort(1)

    def at(self, epsilon: float) -> Tensor:
        """The images with an RMS of `epsilon` in [0,1] units; all of their pixels where that is not enough."""
        energy, wanted = self._energy, epsilon**2 * self._images[0].numel()
        full = torch.searchsorted(energy, energy.new_full((len(energy), 1), wanted))
        before = torch.where(full > 0, energy.gather(1, (full - 1).clamp(min=0)), 0)
        after = energy.gather(1, full.clamp(max=energy.shape[1] - 1))
        part = ((wanted - before) / (after - before)).sqrt().to(self._delta.dtype)
        share = torch.where(self._rank == full, part, (self._rank < full).to(part.dtype))
        return (self._pixels + share[:, None] * self._delta).view_as(self._images)
