"""What several corruptions are made of: enlarged middles, streaks, heightmaps and smooth fields."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from robustbench_seg.lazy import F, Tensor

Floats = npt.NDArray[np.float64]


def enlarged(image: Tensor, factor: float) -> Tensor:
    """The middle of an image (C,H,W), enlarged by a factor >= 1 to its size, bilinear between the outermost pixels.

    As scipy.ndimage.zoom with order 1. Of images that are not square both sides are cut (Michaelis 2019).
    """
    height, width = image.shape[-2:]
    part = _middle(image, math.ceil(height / factor), math.ceil(width / factor))
    size = [max(side, round(short * factor)) for side, short in zip((height, width), part.shape[-2:], strict=True)]
    grown = F.interpolate(part[None], size, mode="bilinear", align_corners=True)[0]
    return _middle(grown, height, width)


def streaked(image: Tensor, radius: int, sigma: float, degrees: float) -> Tensor:
    """Motion blur of an image (C,H,W) as by ImageMagick: half a Gaussian along a line that begins at each pixel.

    2 radius + 1 steps of one pixel, rounded to whole pixels; edges are repeated.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    angle = math.radians(degrees)
    rows, columns = (np.ceil(steps * part - 0.5).astype(int) for part in (math.sin(angle), math.cos(angle)))
    reach, (height, width) = len(steps), image.shape[-2:]
    padded = F.pad(image[None], (reach,) * 4, mode="replicate")[0]
    blurred = 0 * image
    for weight, row, column in zip(weights / weights.sum(), rows + reach, columns + reach, strict=True):
        blurred += float(weight) * padded[:, row : row + height, column : column + width]
    return blurred


def heightmap(side: int, decay: float, draw: np.random.Generator) -> Floats:
    """A diamond-square map (side,side) from 0 to 1 that repeats at its edges; `side` is a power of two.

    What is added at random falls to 1 / decay^2 where points come twice as close.
    """
    heights, size, step = np.zeros((side, side)), 1.0, side

    def placed(sums: Floats) -> Floats:
        return sums / 4 + size * draw.uniform(-1, 1, sums.shape)

    while step > 1:
        half = step // 2
        corners = heights[::step, ::step]
        above = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = placed(above + np.roll(above, -1, axis=1))
        corners, centres = heights[::step, ::step], heights[half::step, half::step]
        across = corners + np.roll(corners, -1, axis=1) + centres + np.roll(centres, 1, axis=0)
        heights[::step, half::step] = placed(across)
        along = corners + np.roll(corners, -1, axis=0) + centres + np.roll(centres, 1, axis=1)
        heights[half::step, ::step] = placed(along)
        step, size = half, size / decay**2
    heights -= heights.min()
    # A map of one point is flat.
    return heights / (heights.max() or 1.0)


def smoothed(field: Floats, sigma: float) -> Floats:
    """A field (H,W) under a Gaussian cut off at 3 sigma, mirrored at its edges with the outermost pixels repeated.

    By a cosine transform, whose time does not grow with sigma; that may be as large as the field.
    """
    from scipy.fft import dctn, idctn

    rows, columns = (_gains(side, sigma) for side in field.shape)
    result: Floats = idctn(dctn(field) * rows[:, None] * columns)
    return result


def _gains(side: int, sigma: float) -> Floats:
    """What the filter leaves of each of the waves that are mirrored at the ends of `side` points."""
    offsets = np.arange(1, int(3 * sigma + 0.5) + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    waves: Floats = np.cos(np.pi / side * np.outer(np.arange(side), offsets))
    gains: Floats = (1 + 2 * waves @ weights) / (1 + 2 * weights.sum())
    return gains


def _middle(image: Tensor, height: int, width: int) -> Tensor:
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
