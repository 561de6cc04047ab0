"""Rows of parts into arrays: convex facets and ellipsoids in world coordinates, at an offset in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.scene import Parts

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

_CORNERS = np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [4, 5, 6, 7], [3, 2, 1, 0]])
"""The facets of a box, counterclockwise from outside: back, right, front, left, top, bottom."""
_SIGNS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
_PLATE = 10
_EMPTY = 1e-9


@dataclass(frozen=True)
class Facets:
    """F convex polygons: `corners` (F,K,3) counterclockwise from outside, the last one repeated up to K.

    `frame` (F,3,3) holds origin, u and v axis of the texture, `normal` (F,3), `extent` (F,2) the size in u and v,
    `looks` (F,6), `item` (F,) the object, `side` (F,) which side of its part it is.
    """

    corners: Float
    normal: Float
    frame: Float
    extent: Float
    looks: Float
    item: Int
    side: Int


@dataclass(frozen=True)
class Balls:
    """B ellipsoids: `centre` (B,3), `axes` (B,3,3) whose rows are unit half axes, `radii` (B,3), `looks`, `item`."""

    centre: Float
    axes: Float
    radii: Float
    looks: Float
    item: Int


def _table(rows: list[tuple[float, ...]], width: int) -> Float:
    return np.array(rows, np.float64).reshape(-1, width)


def _placed(parts: Parts, offset: float) -> Float:
    """x, y, z, cos and sin of the yaw of every object."""
    items = _table([tuple(item) for item in parts.items], 7)
    place = items[:, 1:4].copy()
    place[:, :2] += offset * items[:, 5:7]
    return np.column_stack([place, np.cos(items[:, 4]), np.sin(items[:, 4])])


def _to_world(points: Float, places: Float) -> Float:
    """Points (N,...,3) in the frames of N objects at `places` (N,5)."""
    shape = (-1,) + (1,) * (points.ndim - 2)
    cos, sin = places[:, 3].reshape(shape), places[:, 4].reshape(shape)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack(
        [
            x * cos - y * sin + places[:, 0].reshape(shape),
            x * sin + y * cos + places[:, 1].reshape(shape),
            z + places[:, 2].reshape(shape),
        ],
        -1,
    )


def boxes_of(parts: Parts, offset: float) -> Facets:
    """The facets of all boxes; those without area are left out."""
    rows = _table(parts.boxes, 22)
    item = rows[:, 0].astype(int)
    half = _SIGNS[None] * rows[:, None, 4:6]
    low = np.concatenate([rows[:, None, 1:3] + half, np.broadcast_to(rows[:, 3, None, None], half[..., :1].shape)], -1)
    high = np.concatenate([half * rows[:, None, 7:9], np.broadcast_to(rows[:, 6, None, None], half[..., :1].shape)], -1)
    high += rows[:, None, 1:4]
    high[..., 1] += rows[:, 9, None]
    corners = _to_world(np.concatenate([low, high], 1), _placed(parts, offset)[item])[:, _CORNERS]
    looks = np.repeat(rows[:, None, 10:16], 6, 1)
    looks[:, 4] = rows[:, 16:22]
    count = len(rows)
    side = np.broadcast_to(np.arange(6), (count, 6))
    return _facets(corners.reshape(-1, 4, 3), looks.reshape(-1, 6), np.repeat(item, 6), side.ravel())


def _facets(corners: Float, looks: Float, item: Int, side: Int) -> Facets:
    along = corners[:, 1] - corners[:, 0]
    normal = np.cross(along, corners[:, 2] - corners[:, 0])
    area, length = np.linalg.norm(normal, axis=1), np.linalg.norm(along, axis=1)
    keep = (area > _EMPTY) & (length > _EMPTY)
    corners, looks, item, side = corners[keep], looks[keep], item[keep], side[keep]
    normal, u = normal[keep] / area[keep, None], along[keep] / length[keep, None]
    v = np.cross(normal, u)
    height = ((corners[:, 2] - corners[:, 0]) * v).sum(1)
    frame = np.stack([corners[:, 0], u, v], 1)
    return Facets(corners, normal, frame, np.column_stack([length[keep], height]), looks, item, side)


def plates_of(parts: Parts, offset: float) -> Facets:
    """The facets of all plates; texture coordinates are measured from their centres."""
    rows = _table(parts.plates, 15)
    item = rows[:, 0].astype(int)
    places = _placed(parts, offset)[item]
    facing = rows[:, 6]
    cos, sin = np.cos(facing), np.sin(facing)
    zero = np.zeros(len(rows))
    normal, u = np.column_stack([-sin, cos, zero]), np.column_stack([-cos, -sin, zero])
    v = np.broadcast_to([0.0, 0.0, 1.0], u.shape)
    sides = rows[:, 7]
    turn = 2 * np.pi * np.minimum(np.arange(_PLATE), sides[:, None] - 1) / sides[:, None] + rows[:, 8, None]
    across = (rows[:, 4, None] * np.cos(turn))[..., None] * u[:, None]
    corners = rows[:, None, 1:4] + across + (rows[:, 5, None] * np.sin(turn))[..., None] * v[:, None]
    still = places.copy()
    still[:, :3] = 0
    centre = _to_world(rows[:, None, 1:4], places)[:, 0]
    frame = np.stack([centre, _to_world(u[:, None], still)[:, 0], v], 1)
    normal = _to_world(normal[:, None], still)[:, 0]
    side = np.full(len(rows), 2)
    return Facets(_to_world(corners, places), normal, frame, rows[:, 4:6], rows[:, 9:15], item, side)


def balls_of(parts: Parts, offset: float) -> Balls:
    """All ellipsoids."""
    rows = _table(parts.balls, 14)
    item = rows[:, 0].astype(int)
    places = _placed(parts, offset)[item]
    cos, sin, zero, one = np.cos(rows[:, 7]), np.sin(rows[:, 7]), np.zeros(len(rows)), np.ones(len(rows))
    axes = np.stack(
        [np.column_stack([one, zero, zero]), np.column_stack([zero, cos, -sin]), np.column_stack([zero, sin, cos])], 1
    )
    still = places.copy()
    still[:, :3] = 0
    return Balls(_to_world(rows[:, None, 1:4], places)[:, 0], _to_world(axes, still), rows[:, 4:7], rows[:, 8:14], item)
