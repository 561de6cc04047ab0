"""The ground: two exact planes, the road and what is raised beside it, joined by an upright kerb."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.scene import Ground

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Int8 = npt.NDArray[np.int8]

ROAD, RAISED, KERB = 1, 2, 3
"""Surface ids of the ground; 0 is the sky, facets start at 4."""
FIRST_ITEM = 4
FAR = 400.0
"""The ground ends here (m)."""
_HALVINGS = 20


@dataclass(frozen=True)
class GroundHits:
    """Per ray: nearness (0 is a miss) and surface id, in the shape of the rays."""

    near: Float32
    ids: npt.NDArray[np.int32]


def beside(ground: Ground, x: Float32, y: Float32) -> tuple[Float32, Bool]:
    """Distance (m) beyond the nearer kerb, negative on the road between them, and whether left of the middle.

    On a side street it is the negative distance to the edge of that.
    """
    bend = np.float32(ground.slope) * y + np.float32(ground.curve) * y * y
    across = x - bend
    left = across < (ground.right - ground.left) / 2
    distance = np.where(left, -across - np.float32(ground.left), across - np.float32(ground.right))
    side = ground.crossing
    if side is not None:
        along = np.abs(y - np.float32(side.y)) - np.float32(side.half)
        if not (side.left and side.right):
            along = np.where(left if side.left else ~left, along, np.float32(np.inf))
        distance = np.minimum(distance, along)
    return distance, left


def strip_of(distance: Float32, left: Bool, ground: Ground) -> Int8:
    """Which strip a point is on: 0 is the road, 1 to 3 those of the left side, 4 to 6 those of the right."""
    ends = np.array([[strip.end for strip in side[:-1]] for side in ground.strips], np.float32)
    result = (distance > 0).astype(np.int8)
    for k in range(2):
        result += distance > np.where(left, ends[0, k], ends[1, k])
    result[~left & (result > 0)] += 3
    return result


def cast_ground(ground: Ground, eye: npt.NDArray[np.float64], rays: tuple[Float32, Float32, Float32]) -> GroundHits:
    """Meets the ground with rays from `eye` along world directions (dx, dy, dz), arrays of any one shape."""
    dx, dy, dz = rays
    eye_x, eye_y, eye_z = (np.float32(value) for value in eye)
    near = -dz / eye_z
    ids = np.full(near.shape, ROAD, np.int32)
    seen = near > 1 / FAR
    near[~seen] = 0
    ids[~seen] = 0
    if ground.kerb > 0:
        _raise(ground, (eye_x, eye_y, eye_z), (dx[seen], dy[seen], dz[seen]), near, ids, seen)
    else:
        t = np.reciprocal(near[seen])
        ids[seen] = np.where(beside(ground, eye_x + t * dx[seen], eye_y + t * dy[seen])[0] > 0, RAISED, ROAD)
    return GroundHits(near, ids)


def _raise(
    ground: Ground,
    eye: tuple[np.float32, np.float32, np.float32],
    rays: tuple[Float32, Float32, Float32],
    near: Float32,
    ids: npt.NDArray[np.int32],
    seen: Bool,
) -> None:
    """Replaces hits with the road's plane by what is raised above it."""
    dx, dy, dz = rays
    low = near[seen]
    high = -dz / (eye[2] - np.float32(ground.kerb))
    on_top = _is_raised(ground, eye, rays, np.reciprocal(high))
    behind = ~on_top & _is_raised(ground, eye, rays, np.reciprocal(low))
    result, kind = np.where(on_top, high, low), np.where(on_top, RAISED, ROAD)
    index = np.flatnonzero(behind)
    if len(index):
        chosen = (dx[index], dy[index], dz[index])
        between = (np.reciprocal(high[index]), np.reciprocal(low[index]))
        result[index] = np.reciprocal(_kerb_face(ground, eye, chosen, between))
        kind[index] = KERB
    near[seen], ids[seen] = result, kind


def _is_raised(
    ground: Ground, eye: tuple[np.float32, np.float32, np.float32], rays: tuple[Float32, Float32, Float32], t: Float32
) -> Bool:
    return beside(ground, eye[0] + t * rays[0], eye[1] + t * rays[1])[0] > 0


def _kerb_face(
    ground: Ground,
    eye: tuple[np.float32, np.float32, np.float32],
    rays: tuple[Float32, Float32, Float32],
    between: tuple[Float32, Float32],
) -> Float32:
    """Where a ray that passes over the kerb's top edge enters its face: bisection between the two planes."""
    start, end = between
    dx, dy, _ = rays
    for _ in range(_HALVINGS):
        middle = (start + end) * np.float32(0.5)
        inside = beside(ground, eye[0] + middle * dx, eye[1] + middle * dy)[0] > 0
        end = np.where(inside, middle, end)
        start = np.where(inside, start, middle)
    return end


def kerb_normal(ground: Ground, x: Float32, y: Float32) -> tuple[Float32, Float32]:
    """World x and y of the unit normal of the kerb's face, towards the road, at points on it."""
    step = np.float32(0.02)
    gx = beside(ground, x + step, y)[0] - beside(ground, x - step, y)[0]
    gy = beside(ground, x, y + step)[0] - beside(ground, x, y - step)[0]
    length = np.maximum(np.sqrt(gx * gx + gy * gy), np.float32(1e-6))
    return -gx / length, -gy / length
