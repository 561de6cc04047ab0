"""Depth from the disparity files of stereo cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.images import read_depth

_PIXELS_PER_COUNT = 1 / 256


@dataclass(frozen=True)
class Stereo:
    """A rectified pair of cameras: `focal` in pixels, `baseline` in metres."""

    focal: float
    baseline: float


def read_disparity(path: Path, stereo: Stereo, zero: int = 0) -> npt.NDArray[np.float32]:
    """Depth in metres of a 16-bit disparity file, (H,W) float32, invalid 0.

    A count p > 0 is a disparity of d = (p - zero) / 256 pixels and a depth of focal * baseline / d; p = 0 and
    d = 0 are invalid. `zero` is 1 in Cityscapes' files and 0 in KITTI's. InputError as in `read_depth`.
    """
    pixels = read_depth(path, _PIXELS_PER_COUNT).astype(np.float64) - zero * _PIXELS_PER_COUNT
    depth = np.zeros(pixels.shape)
    np.divide(stereo.focal * stereo.baseline, pixels, out=depth, where=pixels > 0)
    return depth.astype(np.float32)
