"""The intrinsics of a camera: of images that are resized, and the rays of its pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def scaled_intrinsics(
    intrinsics: npt.NDArray[np.float32], old: tuple[int, int], new: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Intrinsics (3,3) of an image resized from `old` to `new` (H,W); pixel centres are integers."""
    vertical, horizontal = new[0] / old[0], new[1] / old[1]
    scaled = intrinsics * np.array([[horizontal], [vertical], [1.0]], intrinsics.dtype)
    # The image's corner lies at -1/2, and stays there.
    scaled[0, 2] += (horizontal - 1) / 2
    scaled[1, 2] += (vertical - 1) / 2
    return scaled


def centred_intrinsics(focal: float, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Intrinsics (3,3) of a rendered image of `size` (H,W): its principal point is the centre, `focal` in pixels.

    Pixel centres are integers, so the centre is half a pixel less than half the size.
    """
    height, width = size
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], np.float32)


def slopes(
    intrinsics: npt.NDArray[np.generic], size: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of an image of `size` (H,W): x/z of the ray through each column (W,), and y/z of that through each row (H,)."""
    height, width = size
    x = (np.arange(width, dtype=np.float64) - float(intrinsics[0, 2])) / float(intrinsics[0, 0])
    y = (np.arange(height, dtype=np.float64) - float(intrinsics[1, 2])) / float(intrinsics[1, 1])
    return np.asarray(x, np.float64), np.asarray(y, np.float64)
