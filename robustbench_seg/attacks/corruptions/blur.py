"""Blur: out of focus, through glass, of a moving camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from robustbench_seg.attacks.corruptions.base import Corruption, Drawn
from robustbench_seg.attacks.corruptions.geometry import enlarged, streaked
from robustbench_seg.lazy import Tensor, torch


@dataclass(frozen=True)
class DefocusBlur(Corruption):
    """The mean over a disk with a soft rim."""

    title: ClassVar[str] = "Defocus blur"
    levels: ClassVar[Sequence[Any]] = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
    """Radius of the disk, and sigma of the Gaussian that softens its rim, pixels."""

    def corrupt(self, image: Tensor, level: tuple[int, float], draw: np.random.Generator) -> Tensor:
        """Edges are mirrored without repeating the outermost pixel."""
        from kornia.filters import filter2d

        kernel = disk(*level)
        # kornia mirrors less than a whole image.
        padded = torch.from_numpy(np.pad(image.numpy(), ((0, 0), *[(kernel.shape[-1] // 2,) * 2] * 2), "reflect"))
        return filter2d(padded[None], kernel, padding="valid")[0].clamp(0, 1)


@dataclass(frozen=True)
class GlassBlur(Corruption):
    """Frosted glass: every pixel takes the value of one nearby, between two slight Gaussian blurs."""

    title: ClassVar[str] = "Glass blur"
    drawn: ClassVar[Drawn] = Drawn.CLIP
    levels: ClassVar[Sequence[Any]] = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
    """Sigma of the blurs, how far a value may come from, pixels, and how often."""

    def corrupt(self, image: Tensor, level: tuple[float, int, int], draw: np.random.Generator) -> Tensor:
        """Blurred, shuffled, blurred."""
        sigma, reach, rounds = level
        before = _gaussian(image, sigma)
        order = torch.from_numpy(shuffled(image.shape[-2], image.shape[-1], reach, rounds, draw))
        return _gaussian(before.flatten(1)[:, order].view_as(image), sigma).clamp(0, 1)


@dataclass(frozen=True)
class MotionBlur(Corruption):
    """Streaks in one direction, within 45 degrees of the horizontal."""

    title: ClassVar[str] = "Motion blur"
    drawn: ClassVar[Drawn] = Drawn.CLIP
    levels: ClassVar[Sequence[Any]] = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
    """Radius and sigma of ImageMagick's motion blur, pixels."""

    def corrupt(self, image: Tensor, level: tuple[int, float], draw: np.random.Generator) -> Tensor:
        """See `streaked`."""
        return streaked(image, *level, draw.uniform(-45, 45)).clamp(0, 1)


@dataclass(frozen=True)
class ZoomBlur(Corruption):
    """The mean of an image and of its enlarged middles."""

    title: ClassVar[str] = "Zoom blur"
    levels: ClassVar[Sequence[Any]] = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
    """Factors from 1 up to here in steps, as numpy.arange gives them."""

    def corrupt(self, image: Tensor, level: tuple[float, float], draw: np.random.Generator) -> Tensor:
        """The image itself counts once more."""
        factors = np.arange(1, *level)
        return (sum((enlarged(image, float(factor)) for factor in factors), image) / (len(factors) + 1)).clamp(0, 1)


def disk(radius: int, sigma: float) -> Tensor:
    """The kernel (1,K,K) of a defocused lens.

    Its sum is 1, and as published 1.01 at radius 8 and 10, where the disk reaches the kernel's edge, which is mirrored.
    """
    from kornia.filters import gaussian_blur2d

    reach, soft = (8, 3) if radius <= 8 else (radius, 5)
    squares = torch.arange(-reach, reach + 1, dtype=torch.float32) ** 2
    inside = (squares[:, None] + squares <= radius**2).float()
    return gaussian_blur2d((inside / inside.sum())[None, None], (soft, soft), (sigma, sigma), "reflect")[0]


def shuffled(height: int, width: int, reach: int, rounds: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    """Where each pixel's value comes from, as flat indices (H*W,).

    In each round pixels are visited from the last one on, and each takes the value that a pixel up to `reach` before or
    less after it has by then, per axis. The published code was written to swap the two, but its rows are views of one
    array, so that the other pixel keeps its value; so it does here.
    """
    order = here = np.arange(height * width)
    inside = (slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1))
    for _ in range(rounds):
        source = here.reshape(height, width).copy()
        rows, columns = draw.integers(-reach, reach, (2, *source[inside].shape))
        source[inside] += rows * width + columns
        order = order[source.ravel()[_last(source.ravel())]]
    return order


def _last(source: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The pixel whose source is read in the end: a source after its pixel was visited before, and has one itself."""
    here = np.arange(len(source))
    chain = np.where(source > here, source, here)
    while not np.array_equal(further := chain[chain], chain):
        chain = further
    return chain


def _gaussian(image: Tensor, sigma: float) -> Tensor:
    """Cut off at 4 sigma, edges repeated, as scikit-image does."""
    from kornia.filters import gaussian_blur2d

    size = 2 * int(4 * sigma + 0.5) + 1
    return gaussian_blur2d(image[None], (size, size), (sigma, sigma), "replicate")[0]
