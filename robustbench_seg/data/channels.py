"""Labels and depth as simulators write them: in the channels of a colour PNG, or in 16 bits of centimetres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.images import bad_file, read_channels, read_deep_channel

_FULL_24 = (1 << 24) - 1
_FULL_16 = (1 << 16) - 1


def read_red(path: Path) -> npt.NDArray[np.uint8]:
    """The red channel of a colour file, (H,W) uint8; InputError as in `read_channels`."""
    return read_channels(path)[..., 0]


def read_depth24(path: Path, farthest: float) -> npt.NDArray[np.float32]:
    """Depth in metres of an 8-bit colour file, (H,W) float32, invalid 0: `farthest` (R + 256 G + 65536 B) / (2^24 - 1).

    The largest count is the renderer's far plane, behind which nothing is measured, such as the sky: invalid.
    InputError as in `read_channels`, or where the file holds a picture of the depth in grey.
    """
    red, green, blue = np.moveaxis(read_channels(path).astype(np.int64), -1, 0)
    counts = red + 256 * green + 65536 * blue
    known = (counts > 0) & (counts < _FULL_24)
    if known.any() and ((red == green) & (green == blue))[known].all():
        raise bad_file(path, "is a grey picture of depth, not depth", "save the raw image of the depth camera")
    return np.where(known, counts * (farthest / _FULL_24), 0).astype(np.float32)


def read_centimetres(path: Path) -> npt.NDArray[np.float32]:
    """Depth in metres of a 16-bit PNG of centimetres in its first channel, (H,W) float32, invalid 0.

    The largest count, 655.35 m, stands for whatever is farther, such as the sky: invalid. InputError as in
    `read_deep_channel`.
    """
    counts = read_deep_channel(path)
    return np.where(counts < _FULL_16, counts * 0.01, 0).astype(np.float32)
