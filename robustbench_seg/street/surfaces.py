"""The table of all surfaces of a world as a camera sees them: what a sample needs to know of what it met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.camera import Camera
from robustbench_seg.street.facets import Balls, Facets
from robustbench_seg.street.ground import FIRST_ITEM
from robustbench_seg.street.scene import Ground, Material

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

_GROUND_SIDE = 4


@dataclass(frozen=True)
class Surfaces:
    """S surfaces by id: the sky, the ground's three, facets, then ellipsoids from `first_ball` on.

    On a plane, a texture coordinate at ray (x', y') and z-depth t is t (a x' + b y' + c) + d, and 1/t is affine too:
    `u` and `v` (4,S) hold a, b, c, d, and `tilt` (2,S) the slopes of 1/t in x' and y'. `normal` (3,S) is in world
    coordinates, `extent` (2,S) m, `looks` (6,S); `item` (S,) is the object, -1 where there is none.
    """

    u: Float32
    v: Float32
    tilt: Float32
    normal: Float32
    extent: Float32
    looks: Float32
    item: Int
    side: Int
    first_ball: int


def surfaces_of(camera: Camera, ground: Ground, boxes: Facets, plates: Facets, balls: Balls) -> Surfaces:
    """The table; the rows of the sky and, but for their looks, of ellipsoids are dummies."""
    count = len(balls.item)
    frame = np.concatenate([_flat_frames(ground), boxes.frame, plates.frame, _dummies(count)])
    normal = np.concatenate(
        [np.tile([0.0, 0.0, 1.0], (FIRST_ITEM, 1)), boxes.normal, plates.normal, _dummies(count)[:, 1]]
    )
    earth = np.zeros((FIRST_ITEM, 6))
    earth[:, 0] = Material.GROUND
    looks = np.concatenate([earth, boxes.looks, plates.looks, balls.looks])
    extent = np.concatenate([np.ones((FIRST_ITEM, 2)), boxes.extent, plates.extent, np.ones((count, 2))])
    away = frame[:, 0] - camera.centre
    distance = np.einsum("ni,ni->n", normal, away)
    tilt = (normal @ camera.rotation[:, :2]) / np.where(np.abs(distance) > 1e-9, distance, np.inf)[:, None]
    u, v = (np.column_stack([frame[:, k] @ camera.rotation, -np.einsum("ni,ni->n", frame[:, k], away)]) for k in (1, 2))
    item = np.concatenate([np.full(FIRST_ITEM, -1), boxes.item, plates.item, balls.item])
    side = np.concatenate([np.full(FIRST_ITEM, _GROUND_SIDE), boxes.side, plates.side, np.zeros(count, int)])
    columns = [np.ascontiguousarray(table.T, np.float32) for table in (u, v, tilt, normal, extent, looks)]
    across, up, slopes, normals, extents, paints = columns
    return Surfaces(across, up, slopes, normals, extents, paints, item, side, len(item) - count)


def _flat_frames(ground: Ground) -> Float:
    """World x and y as texture coordinates on the planes of the road and of what is raised."""
    frames = np.zeros((FIRST_ITEM, 3, 3))
    frames[:, 1, 0] = frames[:, 2, 1] = 1
    frames[2:, 0, 2] = ground.kerb
    return frames


def _dummies(count: int) -> Float:
    return np.tile(np.eye(3), (count, 1, 1))
