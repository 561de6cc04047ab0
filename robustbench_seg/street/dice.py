"""Random choices of a world, drawn from one block of uniform numbers (a scalar draw of numpy costs 30 times more)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_BLOCK = 1024


class Dice:
    """Uniform draws and what is made of them; a function of its seeds only."""

    def __init__(self, *seeds: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds)))
        self._block: list[float] = []

    def random(self) -> float:
        """A number in [0,1)."""
        if not self._block:
            self._block = self._generator.random(_BLOCK).tolist()
        return self._block.pop()

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.random()

    def between(self, span: tuple[float, float]) -> float:
        """A number of a span."""
        return self.uniform(*span)

    def chance(self, share: float) -> bool:
        """True with that probability."""
        return self.random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all alike likely."""
        return choices[int(self.random() * len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        """One of the choices, likely as its weight says; the weights add up to 1."""
        left = self.random()
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.random() * (high - low + 1))

    def shade(self, colour: tuple[float, float, float], spread: float = 0.06) -> tuple[float, float, float]:
        """A colour near another, in lightness most."""
        light = 1 + self.uniform(-2 * spread, 2 * spread)
        red, green, blue = (min(max(c * light + self.uniform(-spread, spread) * 0.5, 0.01), 1.0) for c in colour)
        return red, green, blue
