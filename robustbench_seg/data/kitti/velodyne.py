"""Sparse depth from laser scans in KITTI's format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.images import bad_file, read_bytes

_COLUMNS = 4


def read_points(path: Path) -> npt.NDArray[np.float32]:
    """The points of a scan, (N,3) float32 metres: x ahead, y left, z up; the reflectance is dropped.

    InputError where the file cannot be read or is no whole number of points (four float32 each).
    """
    fix = "copy the scan again"
    data = read_bytes(path, fix)
    if not data or len(data) % (4 * _COLUMNS):
        raise bad_file(path, f"has {len(data)} bytes, not 16 per point", fix)
    return np.frombuffer(data, "<f4").reshape(-1, _COLUMNS)[:, :3].astype(np.float32)


def project(
    points: npt.NDArray[np.floating], projection: npt.NDArray[np.floating], size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The depth that a camera sees of a scan, (H,W) float32 metres, invalid 0.

    Each point falls on the pixel nearest to where it is seen, and the nearest point wins a pixel. Points behind the
    scanner (x < 0), behind the camera, outside the image or not finite do not count.

    `points` (N,3) are in the scanner's frame, which `projection` (3,4) takes to (column * depth, row * depth, depth);
    integer coordinates are pixel centres. `size` is the image's (H,W).
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
