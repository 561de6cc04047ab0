"""Weather, the same in all frames of a clip: it stands still in the image.

ImageNet-C's frost is left out. It blends in six photographs of frosted panes, which the published numbers depend on and
which do not ship; frost drawn by a program would be another corruption under the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustbench_seg.attacks.corruptions.base import Corruption, Drawn
from robustbench_seg.attacks.corruptions.geometry import enlarged, heightmap, streaked
from robustbench_seg.lazy import Tensor, torch


@dataclass(frozen=True)
class Snow(Corruption):
    """Flakes that fall in streaks over a whitened image."""

    title: ClassVar[str] = "Snow"
    drawn: ClassVar[Drawn] = Drawn.CLIP
    levels: ClassVar[Sequence[Any]] = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )
    """Mean and deviation of the flakes' noise, its magnification, the least height of a flake, radius and sigma of the
    streaks, and what is left of the image's own colours."""

    def corrupt(self, image: Tensor, level: tuple[float, ...], draw: np.random.Generator) -> Tensor:
        """The flakes lie over the image twice, once turned by 180 degrees."""
        from kornia.color import rgb_to_grayscale

        mean, deviation, factor, least, radius, sigma, kept = level
        noise = torch.from_numpy(draw.standard_normal((1, *image.shape[-2:]), np.float32))
        flakes = enlarged(mean + deviation * noise, factor)
        flakes = torch.where(flakes < least, 0, flakes).clamp(0, 1)
        flakes = streaked(flakes, int(radius), sigma, draw.uniform(-135, -45))
        white = torch.maximum(image, 1.5 * rgb_to_grayscale(image) + 0.5)
        return (kept * image + (1 - kept) * white + flakes + flakes.flip(1, 2)).clamp(0, 1)


@dataclass(frozen=True)
class Fog(Corruption):
    """Banks of fog from a diamond-square heightmap, then less contrast so that the image keeps its range."""

    title: ClassVar[str] = "Fog"
    drawn: ClassVar[Drawn] = Drawn.CLIP
    levels: ClassVar[Sequence[Any]] = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))
    """How much fog is added, and how fast its structure gets weaker towards small scales."""

    def corrupt(self, image: Tensor, level: tuple[float, float], draw: np.random.Generator) -> Tensor:
        """The heightmap has the next power of two as its side: 256 at 224, as published."""
        amount, decay = level
        height, width = image.shape[-2:]
        side = 1 << (max(height, width) - 1).bit_length()
        bank = torch.from_numpy(heightmap(side, decay, draw)[:height, :width].astype(np.float32))
        brightest = float(image.max())
        return ((image + amount * bank) * (brightest / (brightest + amount))).clamp(0, 1)
