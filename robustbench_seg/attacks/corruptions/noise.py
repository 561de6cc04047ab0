"""Noise of a sensor, drawn anew in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustbench_seg.attacks.corruptions.base import Corruption, Drawn
from robustbench_seg.lazy import Tensor, torch


@dataclass(frozen=True)
class GaussianNoise(Corruption):
    """Gaussian noise of a published standard deviation, clipped: darker and lighter regions receive less of it.

    Unlike `gaussian`, whose RMS after clipping is exact.
    """

    title: ClassVar[str] = "Gaussian noise (ImageNet-C)"
    drawn: ClassVar[Drawn] = Drawn.IMAGE
    levels: ClassVar[Sequence[Any]] = (0.08, 0.12, 0.18, 0.26, 0.38)
    """Standard deviations in [0,1] units."""

    def corrupt(self, image: Tensor, level: float, draw: np.random.Generator) -> Tensor:
        """One draw serves all severities."""
        unit = torch.from_numpy(draw.standard_normal(tuple(image.shape), np.float32))
        return (image + level * unit).clamp(0, 1)


@dataclass(frozen=True)
class ShotNoise(Corruption):
    """Poisson noise of few photons."""

    title: ClassVar[str] = "Shot noise"
    drawn: ClassVar[Drawn] = Drawn.IMAGE
    levels: ClassVar[Sequence[Any]] = (60, 25, 12, 5, 3)
    """Photons at full brightness."""

    def corrupt(self, image: Tensor, level: int, draw: np.random.Generator) -> Tensor:
        """Counts over their mean at full brightness."""
        counts = draw.poisson(image.double().numpy() * level)
        return torch.from_numpy((counts / level).astype(np.float32)).clamp(0, 1)


@dataclass(frozen=True)
class ImpulseNoise(Corruption):
    """Single values, of each channel by itself, set to 0 or 1.

    Unlike `salt_and_pepper`, which sets whole pixels.
    """

    title: ClassVar[str] = "Impulse noise"
    drawn: ClassVar[Drawn] = Drawn.IMAGE
    levels: ClassVar[Sequence[Any]] = (0.03, 0.06, 0.09, 0.17, 0.27)
    """The share of the values that are set."""

    def corrupt(self, image: Tensor, level: float, draw: np.random.Generator) -> Tensor:
        """What a lower severity sets, a higher one sets too."""
        chance, is_salt = torch.from_numpy(draw.random((2, *image.shape)))
        return torch.where(chance <= level, (is_salt < 0.5).to(image.dtype), image)
