"""The pinhole camera: its intrinsics, its pose and the rays through its samples.

The world is right-handed, in metres: x right, y ahead, z up. The camera looks along its own z, with x right and y
down. A ray is (x', y', 1) in the camera frame, so that its parameter is the z-depth itself. Integer pixel
coordinates are pixel centres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: `size` (H,W) px, `focal` px, `centre` (3,) m and `rotation` (3,3), camera to world."""

    size: tuple[int, int]
    focal: float
    centre: Float
    rotation: Float

    @property
    def intrinsics(self) -> Float32:
        """(3,3): camera coordinates to homogeneous (column, row)."""
        height, width = self.size
        rows = [[self.focal, 0, (width - 1) / 2], [0, self.focal, (height - 1) / 2], [0, 0, 1]]
        return np.array(rows, np.float32)

    @property
    def pose(self) -> Float32:
        """(4,4): camera to world, metres."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation, self.centre
        return pose.astype(np.float32)

    @property
    def spacing(self) -> float:
        """The distance of neighbouring samples in x' and y'."""
        return 0.5 / self.focal

    def rays(self) -> tuple[Float32, Float32]:
        """The x' (2W+1,) and y' (2H+1,) of a grid of two samples a pixel; odd indices are pixel centres."""
        height, width = self.size
        x, y = (np.arange(2 * n + 1) / 2 - n / 2 for n in (width, height))
        return (x / self.focal).astype(np.float32), (y / self.focal).astype(np.float32)


def rotation(yaw: float, pitch: float, roll: float = 0.0) -> Float:
    """Camera to world (3,3), radians: yaw to the left, pitch down, roll clockwise; zero looks along world y."""
    cos_y, sin_y = math.cos(yaw), math.sin(yaw)
    cos_p, sin_p = math.cos(pitch), math.sin(pitch)
    cos_r, sin_r = math.cos(roll), math.sin(roll)
    turn = np.array([[cos_y, -sin_y, 0], [sin_y, cos_y, 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, cos_p, sin_p], [0, -sin_p, cos_p]])
    axes = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    spin = np.array([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]])
    result: Float = turn @ tilt @ axes @ spin
    return result
