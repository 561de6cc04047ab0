"""Sparse depth from laser scans in KITTI's format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.images import bad_file

_COLUMNS = 4


def read_points(path: Path) -> npt.NDArray[np.float32]:
    """The points of a scan, (N,3) float32 metres: x ahead, y left, z up; the reflectance is dropped.

    Raises:
        InputError: the file cannot be read or is no whole number of points (four float32 each).
    """
    fix = "copy the scan again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})", fix) from None
    if not data or len(data) % (4 * _COLUMNS):
        raise bad_file(path, f"has {len(data)} bytes, not 16 a point", fix)
    return np.frombuffer(data, "<f4").reshape(-1, _COLUMNS)[:, :3].astype(np.float32)


def project(
    points: npt.NDArray[np.floating], projection: npt.NDArray[np.floating], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The depth that a camera sees of a scan, (H,W) float32 metres, invalid 0.

    Each point falls on the pixel nearest to where it is seen, and the nearest point wins a pixel. Points behind the
    scanner (x < 0), behind the camera or outside the image are left out, as are those that are not finite.

    Args:
        points: (N,3) in the scanner's frame.
        projection: (3,4), from the scanner's frame to (column * depth, row * depth, depth).
        size: (H,W) of the image; integer coordinates are pixel centres.
    """
    ahead = points[np.isfinite(points).all(axis=1) & (points[:, 0] >= 0)].astype(np.float64)
    seen = ahead @ projection[:, :3].T + projection[:, 3]
    seen = seen[seen[:, 2] > 0]
    column, row = np.rint(seen[:, :2].T / seen[:, 2])
    inside = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
    nearest = np.full(size, np.inf)
    at = row[inside].astype(np.intp), column[inside].astype(np.intp)
    np.minimum.at(nearest, at, seen[inside, 2])
    return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)
