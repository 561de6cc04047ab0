"""Band-limited patterns: a noise pyramid, hashes of cells, and stripes filtered over the footprint of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Values = npt.NDArray[np.floating[Any]]
"""float32 throughout; numpy's own annotations lose that where Python numbers mix in."""
Int = npt.NDArray[np.int32]

_SIZE = 256
_LEVELS = 8
_THIN = np.float32(1e-3)


def _octaves(generator: np.random.Generator) -> Float32:
    """A tile of fractal noise (256,256), zero mean, unit deviation, the same at every edge."""
    total = np.zeros((_SIZE, _SIZE))
    for cells in (4, 8, 16, 32, 64, 128, 256):
        lattice = generator.standard_normal((cells, cells))
        total += _stretch(_stretch(lattice, 0), 1) * (4 / cells) ** 0.55
    total -= total.mean()
    result: Float32 = (total / total.std()).astype(np.float32)
    return result


def _stretch(lattice: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """Periodic smooth interpolation of an axis to the size of the tile."""
    cells = lattice.shape[axis]
    at = np.arange(_SIZE) * cells / _SIZE
    low = at.astype(int)
    part = at - low
    part = part * part * (3 - 2 * part)
    part = part[:, None] if axis == 0 else part[None]
    result: npt.NDArray[np.float64] = np.take(lattice, low, axis) * (1 - part)
    result += np.take(lattice, (low + 1) % cells, axis) * part
    return result


def _pyramid(tile: Float32) -> tuple[Float32, Int]:
    levels, starts, start = [tile], [0], 0
    for _ in range(_LEVELS - 1):
        start += levels[-1].size
        starts.append(start)
        n = levels[-1].shape[0] // 2
        levels.append(levels[-1].reshape(n, 2, n, 2).mean((1, 3)))
    return np.concatenate([level.ravel() for level in levels]).astype(np.float32), np.array(starts, np.int32)


_FLAT, _STARTS = _pyramid(_octaves(np.random.default_rng(1706)))
_SCALES = (_SIZE / 2.0 ** np.arange(_LEVELS)).astype(np.float32)
_TABLE = np.random.default_rng(1955).random(4096).astype(np.float32)


def fractal(u: Values, v: Values, footprint: Values, tile: float) -> Float32:
    """Noise of unit deviation at (u, v) m, repeating every `tile` m, without detail finer than `footprint` m."""
    level = np.clip(np.log2(footprint * np.float32(_SIZE / tile) + 1e-6), 0, _LEVELS - 1).astype(np.int32)
    scale = _SCALES[level] / np.float32(tile)
    x, y = u * scale, v * scale
    left, top = np.floor(x), np.floor(y)
    x, y = x - left, y - top
    bits = 8 - level
    mask = (_SIZE >> level) - 1
    ix, iy = left.astype(np.int32), top.astype(np.int32)
    jx = (ix + 1) & mask
    ix &= mask
    start = _STARTS[level]
    above = start + ((iy & mask) << bits)
    below = start + (((iy + 1) & mask) << bits)
    upper = _FLAT[above + ix]
    upper += (_FLAT[above + jx] - upper) * x
    lower = _FLAT[below + ix]
    lower += (_FLAT[below + jx] - lower) * x
    result: Float32 = upper + (lower - upper) * y
    return result


def cell_hash(i: npt.NDArray[np.int64], j: npt.NDArray[np.int64], salt: npt.NDArray[np.int64]) -> Float32:
    """A number in [0,1) for every cell (i, j) of a salt."""
    mixed = i * 7919 + j * 104729 + salt * 15485863
    mixed ^= mixed >> 7
    result: Float32 = _TABLE[(mixed * 2654435761 >> 9) & 4095]
    return result


def stripes(x: Values, width: Values, duty: Values | float) -> Values:
    """The share of [x - width/2, x + width/2] with fraction below `duty`: stripes of period 1, box-filtered."""
    width = np.maximum(width, _THIN)
    half = width * np.float32(0.5)
    result: Values = (_covered(x + half, duty) - _covered(x - half, duty)) / width
    return result


def band(x: Values, width: Values, low: Values | float, high: Values | float) -> Values:
    """The share of [x - width/2, x + width/2] that lies in [low, high]."""
    width = np.maximum(width, _THIN)
    half = width * np.float32(0.5)
    inside = np.minimum(x + half, high) - np.maximum(x - half, low)
    result: Values = np.clip(inside / width, 0, 1)
    return result


def _covered(x: Values, duty: Values | float) -> Values:
    whole: Values = np.floor(x)
    result: Values = whole * duty + np.minimum(x - whole, duty)
    return result
