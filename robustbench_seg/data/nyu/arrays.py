"""NYU Depth V2 in numpy arrays of 288x384, as MTAN prepared it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import NYU13, VOID
from robustbench_seg.data.images import bad_file, read_array, to_metres

_FIX = "copy the file again"


def read_image_array(path: Path) -> npt.NDArray[np.uint8]:
    """An image as (H,W,3) uint8 RGB of values from 0 to 1, rounded to the nearest of 256.

    InputError as in `read_array`, or where the array is of another shape or has other values.
    """
    values = read_array(path, _FIX)
    if values.ndim != 3 or values.shape[2] != 3:
        raise bad_file(path, f"is an array of shape {values.shape}, not (H,W,3)", _FIX)
    if not (values.min() >= 0 and values.max() <= 1):
        raise bad_file(path, f"has values from {values.min()} to {values.max()}, not 0 to 1", _FIX)
    image: npt.NDArray[np.uint8] = np.rint(values.astype(np.float64) * 255).astype(np.uint8)
    return image


def read_label_array(path: Path) -> npt.NDArray[np.uint8]:
    """The ids of `NYU13`, (H,W) uint8, of ids from 0 and -1 for void; InputError as in `read_array`, or for others."""
    values = read_array(path, _FIX).astype(np.float64)
    unknown = np.setdiff1d(values, range(-1, len(NYU13)))
    if values.ndim != 2 or unknown.size:
        others = f" and ids such as {unknown[0]}" if unknown.size else ""
        raise bad_file(path, f"is an array of shape {values.shape}{others}, not (H,W) of -1 to {len(NYU13) - 1}", _FIX)
    return np.where(values < 0, VOID, values).astype(np.uint8)


def read_depth_array(path: Path) -> npt.NDArray[np.float32]:
    """Depth in metres, (H,W) float32, invalid 0, of an array (H,W,1); InputError as in `read_array`, or for others."""
    values = read_array(path, _FIX)
    if values.ndim != 3 or values.shape[2] != 1:
        raise bad_file(path, f"is an array of shape {values.shape}, not (H,W,1)", _FIX)
    return to_metres(values[..., 0], 1.0)
