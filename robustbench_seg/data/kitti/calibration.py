"""KITTI's calibration files: lines such as `P_rect_02: 7.2e+02 0.0e+00 ...`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.images import bad_file, read_text
from robustbench_seg.data.stereo import Stereo

Float = npt.NDArray[np.float64]
Shapes = Mapping[str, tuple[int, ...]]

FIX = "copy KITTI's calibration file again"
_STEREO: Shapes = {"P_rect_02": (3, 4), "P_rect_03": (3, 4)}


def read_calibration(path: Path, shapes: Shapes) -> dict[str, Float]:
    """The entries named in `shapes`, each a float64 array of its shape.

    InputError where the file cannot be read, or an entry is missing, no finite number or of another length.
    """
    lines = dict(_split(line) for line in read_text(path, FIX).splitlines())
    return {key: _array(path, key, lines.get(key), shape) for key, shape in shapes.items()}


def read_stereo(path: Path) -> tuple[npt.NDArray[np.float32], Stereo]:
    """The intrinsics (3,3) of the left colour camera, and its stereo with the right one.

    Rectified projections are K [I | t]: the baseline is the difference of the two t along x. InputError as in
    `read_calibration`, or where the right camera is not to the right.
    """
    left, right = read_calibration(path, _STEREO).values()
    focal = float(left[0, 0])
    moved = float(left[0, 3] - right[0, 3])
    if focal <= 0 or moved <= 0:
        raise bad_file(path, "has a focal length or baseline that is not above 0", FIX)
    return intrinsics(left), Stereo(focal, moved / focal)


def intrinsics(projection: Float) -> npt.NDArray[np.float32]:
    """The intrinsics (3,3) of a rectified projection (3,4); pixel centres are integers."""
    return projection[:, :3].astype(np.float32)


def _split(line: str) -> tuple[str, str]:
    key, _, values = line.partition(":")
    return key.strip(), values


def _array(path: Path, key: str, text: str | None, shape: tuple[int, ...]) -> Float:
    if text is None:
        raise bad_file(path, f"has no {key}", FIX)
    try:
        values = np.array(text.split(), np.float64)
    except ValueError:
        raise bad_file(path, f"has a {key} that is no row of numbers", FIX) from None
    if values.size != np.prod(shape) or not np.isfinite(values).all():
        raise bad_file(path, f"has a {key} of {values.size} numbers, not {np.prod(shape)} finite ones", FIX)
    return values.reshape(shape)
