"""The ground of a predicted depth map, and what of the prediction lies below it (Guizilini 2020, section 4.3)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.camera import slopes

Float = npt.NDArray[np.float64]

_LOWER = 1 / 3
"""The share of rows, the lowest ones, that the ground is fitted to: there it is near, and well predicted."""
_PLANES = 128
"""Hypotheses of RANSAC; of a third of inliers one has three with a probability above 0.99."""
_TOLERANCE = 0.05
"""Of an inlier, in heights of the camera: on the ground this is the relative error of its depth."""
_SLOPE = math.cos(math.radians(20))
"""The least cosine between the ground's normal and the camera's vertical axis."""
_LEAST = 0.2
"""The share of inliers below which there is no ground."""
_REACH = 20.0
"""How far ahead the plane is trusted, in heights of the camera: beyond, a degree of error is half a metre."""


def back_projected(depth: npt.NDArray[np.floating], intrinsics: npt.NDArray[np.floating]) -> Float:
    """The points (H,W,3) of a depth map (H,W) in the camera's frame (x right, y down, z ahead), in its unit."""
    height, width = depth.shape
    x, y = slopes(intrinsics, (height, width))
    rays = np.stack(np.broadcast_arrays(x, y[:, None], 1.0), 2)
    points: Float = rays * depth[..., None].astype(np.float64)
    return points


def fit_ground(points: Float, generator: np.random.Generator) -> Float | None:
    """The plane m·p = 1 (3,) that most of the lower points of (H,W,3) lie on, by RANSAC; None where there is none.

    1/|m| is the camera's height above it in the unit of the points, so that m·p - 1 is how far below the plane a point
    lies, in heights of the camera: a number without a unit.
    """
    low = points[-math.ceil(_LOWER * len(points)) :].reshape(-1, 3)
    drawn = low[generator.integers(len(low), size=(_PLANES, 3))]
    planes = _through(drawn[np.abs(np.linalg.det(drawn)) > 0])
    level = planes[planes[:, 1] > _SLOPE * np.linalg.norm(planes, axis=1)]
    if not len(level):
        return None
    near = np.abs(low @ level.T - 1) < _TOLERANCE
    best = near[:, near.sum(0).argmax()]
    if best.mean() < _LEAST:
        return None
    plane, *_ = np.linalg.lstsq(low[best], np.ones(best.sum()), rcond=None)
    return np.asarray(plane, np.float64)


def _through(triples: Float) -> Float:
    """The planes (N,3) through three points each (N,3,3)."""
    return np.asarray(np.linalg.solve(triples, np.ones((len(triples), 3, 1)))[..., 0], np.float64)


def below(points: Float, plane: Float) -> Float:
    """How far below the plane points (...,3) lie, in heights of the camera; 0 where the plane is not near there."""
    along = points @ plane
    near = along * _REACH > points[..., 2] * np.linalg.norm(plane)
    return np.asarray(np.where(near, along - 1, 0.0), np.float64)
