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
        streams = context.generators("salt_and_pepper")
        salts = [_Salt(image.cpu().numpy(), draw) for image, draw in zip(context.images, streams, strict=True)]
        for budget in budgets:
            salted = np.stack([salt.at(budget.epsilon / LEVELS) for salt in salts])
            yield budget, torch.from_numpy(salted).to(context.images.device)


class _Salt:
    """The order in which an image's (3,H,W) pixels turn black or white, and the energy spent after each."""

    def __init__(self, image: np.ndarray, draw: np.random.Generator) -> None:
        self._image = image
        pixels = image.reshape(3, -1)
        self._order = draw.permutation(pixels.shape[1])
        colours = draw.integers(0, 2, pixels.shape[1]).astype(np.float32)
        self._delta = colours[self._order] - pixels[:, self._order]
        self._energy = np.cumsum(np.square(self._delta, dtype=np.float64).sum(0))

    def at(self, epsilon: float) -> np.ndarray:
        """The image with an RMS of `epsilon` in [0,1] units; all of its pixels where that is not enough."""
        salted = self._image.reshape(3, -1).copy()
        wanted = epsilon**2 * salted.size
        full = int(np.searchsorted(self._energy, wanted))
        salted[:, self._order[:full]] += self._delta[:, :full]
        if full < len(self._order):
            before = self._energy[full - 1] if full else 0.0
            part = np.sqrt((wanted - before) / (self._energy[full] - before))
            salted[:, self._order[full]] += np.float32(part) * self._delta[:, full]
        return salted.reshape(self._image.shape)
