"""Facets and ellipsoids as the camera and the sun see them: what `raster` needs to cast them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.camera import Camera
from robustbench_seg.street.facets import Balls, Facets
from robustbench_seg.street.raster import Shapes, ball, facet

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

NEAR = 0.3
"""Nothing nearer to the camera than this (m) is met."""


@dataclass(frozen=True)
class Window:
    """Where the samples of a grid lie: the first in x and y, their spacing, and how many (columns, rows)."""

    start: tuple[float, float]
    step: tuple[float, float]
    count: tuple[int, int]

    def bounds(self, low: Float, high: Float, slack: float = 1e-4) -> Int:
        """Half-open index ranges (N,4) of the samples in boxes `low` (N,2) to `high` (N,2)."""
        start, step, count = np.array(self.start), np.array(self.step), np.array(self.count)
        first = np.ceil((low - start) / step - slack)
        last = np.floor((high - start) / step + slack) + 1
        return np.concatenate([np.clip(first, 0, count), np.clip(last, 0, count)], 1).astype(np.int64)


def camera_window(camera: Camera) -> Window:
    """The window of a camera's rays."""
    x, y = camera.rays()
    return Window((float(x[0]), float(y[0])), (camera.spacing, camera.spacing), (len(x), len(y)))


def facets_seen(facets: Facets, camera: Camera, first_id: int) -> Shapes:
    """The facets that face the camera."""
    corners = (facets.corners - camera.centre) @ camera.rotation
    normal = facets.normal @ camera.rotation
    distance = np.einsum("ni,ni->n", normal, corners[:, 0])
    index = np.flatnonzero((distance < -1e-6) & (corners[..., 2].max(1) > NEAR))
    corners, normal, distance = corners[index], normal[index], distance[index]
    edges = _unit(np.cross(corners, np.roll(corners, -1, 1)))
    coefficients = np.concatenate([(normal / distance[:, None])[:, None], -edges], 1)
    low, high = _spread(corners)
    bounds = camera_window(camera).bounds(low, high)
    return Shapes(coefficients.astype(np.float32), bounds, index + first_id, facet)


def _unit(vectors: Float) -> Float:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 1e-12, length, np.inf)


def _spread(corners: Float) -> tuple[Float, Float]:
    """Bounds in x' and y' of polygons (N,K,3), cut where they come nearer than NEAR."""
    after = np.roll(corners, -1, 1)
    z, z_after = corners[..., 2], after[..., 2]
    crosses = (z < NEAR) != (z_after < NEAR)
    part = (NEAR - z) / np.where(crosses, z_after - z, 1)
    cut = corners + part[..., None] * (after - corners)
    points = np.concatenate([corners, cut], 1)
    valid = np.concatenate([z >= NEAR, crosses], 1)[..., None]
    flat = points[..., :2] / np.where(valid, np.maximum(points[..., 2:], NEAR / 2), 1)
    return np.where(valid, flat, np.inf).min(1), np.where(valid, flat, -np.inf).max(1)


def balls_seen(balls: Balls, camera: Camera, first_id: int) -> Shapes:
    """The ellipsoids in front of the camera."""
    centre = (balls.centre - camera.centre) @ camera.rotation
    axes = balls.axes @ camera.rotation
    index = np.flatnonzero(centre[:, 2] + balls.radii.max(1) > NEAR)
    centre, scaled = centre[index], axes[index] / balls.radii[index, :, None]
    shape = np.einsum("nki,nkj->nij", scaled, scaled)
    reach = np.einsum("nki,nkj->nij", axes[index] * balls.radii[index, :, None] ** 2, axes[index])
    pull = np.einsum("nij,nj->ni", shape, centre)
    rest = np.einsum("ni,ni->n", pull, centre) - 1
    inside = pull[:, :, None] * pull[:, None] - shape * rest[:, None, None]
    coefficients = np.column_stack([pull, _quadratic(inside), rest])
    low, high = _silhouette(centre, reach)
    bounds = camera_window(camera).bounds(low, high)
    bounds[rest <= 0] = 0
    return Shapes(coefficients.astype(np.float32), bounds, index + first_id, ball)


def _quadratic(form: Float) -> Float:
    """The coefficients xx, xy, yy, x, y, 1 of (x, y, 1) form (x, y, 1)."""
    parts = (form[:, 0, 0], 2 * form[:, 0, 1], form[:, 1, 1], 2 * form[:, 0, 2], 2 * form[:, 1, 2], form[:, 2, 2])
    return np.column_stack(parts)


def _silhouette(centre: Float, reach: Float) -> tuple[Float, Float]:
    """Bounds in x' and y' of ellipsoids; those that reach behind the camera are unbounded."""
    dual = centre[:, :, None] * centre[:, None] - reach
    whole = centre[:, 2] - np.sqrt(reach[:, 2, 2]) > NEAR
    low, high = np.full((len(centre), 2), -np.inf), np.full((len(centre), 2), np.inf)
    for axis in (0, 1):
        a, b, c = dual[whole, 2, 2], dual[whole, axis, 2], dual[whole, axis, axis]
        root = np.sqrt(np.maximum(b * b - a * c, 0))
        low[whole, axis], high[whole, axis] = (b - root) / a, (b + root) / a
    return low, high


def facets_lit(facets: Facets, basis: Float, window: Window) -> Shapes:
    """The facets that face the sun, in the frame of `basis` (3,3): two axes across, then towards the sun."""
    index = np.flatnonzero(facets.normal @ basis[2] > 1e-3)
    corners, normal = facets.corners[index] @ basis.T, facets.normal[index] @ basis.T
    distance = np.einsum("ni,ni->n", normal, corners[:, 0])
    plane = np.column_stack([-normal[:, 0], -normal[:, 1], distance]) / normal[:, 2:]
    x, y = corners[..., 0], corners[..., 1]
    dx, dy = np.roll(x, -1, 1) - x, np.roll(y, -1, 1) - y
    edges = np.stack([-dy, dx, dy * x - dx * y], -1)
    coefficients = np.concatenate([plane[:, None], edges], 1)
    bounds = window.bounds(corners[..., :2].min(1), corners[..., :2].max(1))
    return Shapes(coefficients.astype(np.float32), bounds, index, facet)


def balls_lit(balls: Balls, basis: Float, window: Window) -> Shapes:
    """The ellipsoids as the sun sees them."""
    centre = balls.centre @ basis.T
    axes = balls.axes @ basis.T
    scaled = axes / balls.radii[:, :, None]
    q = np.einsum("nki,nkj->nij", scaled, scaled)
    depth = q[:, 2, 2]
    across = (q[:, :2, 2, None] * q[:, None, :2, 2]) - q[:, :2, :2] * depth[:, None, None]
    cx, cy = centre[:, 0], centre[:, 1]
    xx, xy, yy = across[:, 0, 0], 2 * across[:, 0, 1], across[:, 1, 1]
    constant = xx * cx * cx + xy * cx * cy + yy * cy * cy + depth
    form = np.column_stack([xx, xy, yy, -2 * xx * cx - xy * cy, -2 * yy * cy - xy * cx, constant])
    slope = -q[:, :2, 2]
    height = centre[:, 2] * depth - slope[:, 0] * cx - slope[:, 1] * cy
    coefficients = np.column_stack([slope, height, form, depth])
    half = np.sqrt(np.einsum("nki,nki->ni", axes * balls.radii[:, :, None], axes * balls.radii[:, :, None]))[:, :2]
    bounds = window.bounds(centre[:, :2] - half, centre[:, :2] + half)
    return Shapes(coefficients.astype(np.float32), bounds, np.arange(len(centre)), ball)
