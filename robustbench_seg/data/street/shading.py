"""The colour of samples: what their rays met, its texture, and the light on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.street.camera import Camera
from robustbench_seg.data.street.facets import Balls, Facets
from robustbench_seg.data.street.ground import FIRST_ITEM, KERB, kerb_normal
from robustbench_seg.data.street.light import Shadows, contact_at, sky_colour
from robustbench_seg.data.street.paving import paint_ground
from robustbench_seg.data.street.raster import Grid
from robustbench_seg.data.street.scene import Material, Scene
from robustbench_seg.data.street.textures import PAINT, Spots

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]
Triple = tuple[Float32, Float32, Float32]

_SOFTNESS = 1.5
"""Textures are filtered over this many sample spacings, the reach of the tent filter."""
_GLOW = np.float32(1.25)


@dataclass(frozen=True)
class Surfaces:
    """Every surface by id: texture frame (S,3,3), extent (S,2), look (S,6), object (S,), side (S,), normal (S,3)."""

    frame: Float32
    extent: Float32
    looks: Float32
    item: Int
    side: Int
    normal: Float32


def surfaces_of(boxes: Facets, plates: Facets, balls: Balls) -> Surfaces:
    """One table of all surfaces; the first four rows are the sky and the ground's."""
    count = len(balls.item)
    slant = np.array([[0.86, 0.51, 0.1], [-0.21, 0.17, 0.96]])
    ball_frame = np.concatenate([balls.centre[:, None], np.einsum("ij,njk->nik", slant, balls.axes)], 1)
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float64)
    up = np.tile([0.0, 0.0, 1.0], (FIRST_ITEM, 1))
    ground = np.zeros((FIRST_ITEM, 6))
    ground[:, 0] = Material.ROAD

    def column(first: Float, *rest: Float) -> Float32:
        return np.concatenate([first, *rest]).astype(np.float32)

    return Surfaces(
        column(np.tile(flat, (FIRST_ITEM, 1, 1)), boxes.frame, plates.frame, ball_frame),
        column(np.ones((FIRST_ITEM, 2)), boxes.extent, plates.extent, np.ones((count, 2))),
        column(ground, boxes.looks, plates.looks, balls.looks),
        np.concatenate([np.full(FIRST_ITEM, -1), boxes.item, plates.item, balls.item]),
        np.concatenate([np.full(FIRST_ITEM, 4), boxes.side, plates.side, np.full(count, 2)]),
        column(up, boxes.normal, plates.normal, np.zeros((count, 3))),
    )


@dataclass(frozen=True)
class Shader:
    """Colours samples from what they met."""

    scene: Scene
    camera: Camera
    surfaces: Surfaces
    balls: Balls
    shadows: Shadows | None
    contacts: Float32

    def shade(self, grid: Grid, rays: Triple) -> tuple[Float32, Float32, npt.NDArray[np.int8]]:
        """Colours (3,h,w), world normals (3,h,w) and strip numbers (h,w) of a grid's hits."""
        light = self.scene.light
        ids = grid.ids.ravel()
        hit = np.flatnonzero(ids)
        dx, dy, dz = (d.ravel() for d in rays)
        colour = np.empty((3, len(ids)), np.float32)
        sky = np.flatnonzero(ids == 0)
        colour[:, sky] = sky_colour(light, dx[sky], dy[sky], dz[sky], self.scene.salt)
        normals, strips = np.zeros((3, len(ids)), np.float32), np.zeros(len(ids), np.int8)
        t = 1 / grid.near.ravel()[hit]
        direction = (dx[hit], dy[hit], dz[hit])
        eye = self.camera.centre.astype(np.float32)
        points = (eye[0] + t * direction[0], eye[1] + t * direction[1], eye[2] + t * direction[2])
        normal = self._normals(ids[hit], points)
        albedo, strip, glows = self._albedo(ids[hit], points, normal, direction, t)
        lit = albedo * np.where(glows, _GLOW, self._light(ids[hit], points, normal))
        haze = 1 - np.exp(np.float32(-light.fog) * t)
        colour[:, hit] = lit + (np.array(light.fog_colour, np.float32)[:, None] - lit) * haze
        normals[:, hit], strips[hit] = normal, strip
        shape = grid.ids.shape
        return colour.reshape(3, *shape), normals.reshape(3, *shape), strips.reshape(shape)

    def _normals(self, ids: Ids, points: Triple) -> Triple:
        x, y, z = (self.surfaces.normal[ids, i] for i in range(3))
        first = len(self.surfaces.item) - len(self.balls.item)
        at = np.flatnonzero(ids >= first)
        if len(at):
            which = ids[at] - first
            scaled = self.balls.axes / self.balls.radii[:, :, None]
            form = np.einsum("nki,nkj->nij", scaled, scaled).astype(np.float32)[which]
            centre = self.balls.centre.astype(np.float32)[which]
            rx, ry, rz = (points[i][at] - centre[:, i] for i in range(3))
            gx, gy, gz = (form[:, i, 0] * rx + form[:, i, 1] * ry + form[:, i, 2] * rz for i in range(3))
            length = np.sqrt(gx * gx + gy * gy + gz * gz)
            x[at], y[at], z[at] = gx / length, gy / length, gz / length
        at = np.flatnonzero(ids == KERB)
        if len(at):
            x[at], y[at] = kerb_normal(self.scene.ground, points[0][at], points[1][at])
            z[at] = 0
        return x, y, z

    def _albedo(
        self, ids: Ids, points: Triple, normal: Triple, direction: Triple, t: Float32
    ) -> tuple[Float32, npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        """Colours (3,N), strip numbers (N,), and which samples glow by themselves."""
        spread = _Spread(self.camera, normal, direction, t)
        material = self.surfaces.looks[:, 0].astype(np.int8)[ids]
        albedo, strip = np.zeros((3, len(ids)), np.float32), np.zeros(len(ids), np.int8)
        for kind in np.flatnonzero(np.bincount(material)).tolist():
            at = np.flatnonzero(material == kind)
            if kind == Material.ROAD:
                x, y = points[0][at], points[1][at]
                width = [spread.along(at, axis) for axis in (np.eye(3, dtype=np.float32)[:2, :, None])]
                albedo[:, at], strip[at] = paint_ground(self.scene.ground, x, y, *width)
            else:
                albedo[:, at] = PAINT[kind](self._spots(ids[at], [p[at] for p in points], spread, at))
        stone = ids == KERB
        albedo[:, stone] = np.array(self.scene.ground.colours[3], np.float32)[:, None] * 0.85
        return albedo, strip, material == Material.LAMP

    def _spots(self, ids: Ids, points: list[Float32], spread: _Spread, at: Int) -> Spots:
        s = self.surfaces
        frame = s.frame[ids]
        x, y, z = (points[i] - frame[:, 0, i] for i in range(3))
        u, v = (frame[:, k, 0] * x + frame[:, k, 1] * y + frame[:, k, 2] * z for k in (1, 2))
        du, dv = spread.along(at, frame[:, 1].T), spread.along(at, frame[:, 2].T)
        round_ones = np.flatnonzero(ids >= len(s.item) - len(self.balls.item))
        if len(round_ones):
            _wrap(u, v, du, dv, (x, y, z), _taken(spread.normal, at), round_ones)
        looks, extent = s.looks[ids], s.extent[ids]
        return Spots(
            u,
            v,
            du,
            dv,
            extent[:, 0],
            extent[:, 1],
            looks[:, 1:4].T,
            looks[:, 4],
            looks[:, 5],
            s.item[ids] + self.scene.salt,
            s.side[ids],
        )

    def _light(self, ids: Ids, points: Triple, normal: Triple) -> Float32:
        """Light (3,N) that falls on samples."""
        light = self.scene.light
        sun = light.sun.astype(np.float32)
        direct = np.maximum(normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2], 0)
        if self.shadows is not None:
            at = np.flatnonzero(direct)
            direct[at] *= self.shadows.lit(_taken(points, at), _taken(normal, at))
        open_sky = 0.5 + 0.5 * normal[2]
        corner = 1 - np.float32(0.3) * np.clip(1 - points[2] * np.float32(0.7), 0, 1) * (1 - np.abs(normal[2]))
        flat = np.flatnonzero(ids < FIRST_ITEM)
        corner[flat] *= contact_at(self.contacts, points[0][flat], points[1][flat])
        total = np.empty((3, len(ids)), np.float32)
        for i in range(3):
            around = np.float32(light.ambient[i]) * open_sky + np.float32(light.bounce[i]) * (1 - open_sky)
            total[i] = np.float32(light.sun_colour[i]) * direct + around * corner
        return total


def _wrap(u: Float32, v: Float32, du: Float32, dv: Float32, place: Triple, normal: Triple, at: Int) -> None:
    """Texture coordinates of ellipsoids: those of the side of a cube that their normal points at."""
    x, y, z = _taken(place, at)
    nx, ny, nz = (np.abs(n) for n in _taken(normal, at))
    top, flank = nz > np.maximum(nx, ny), nx > ny
    u[at] = np.where(flank & ~top, y + np.float32(1.7), x)
    v[at] = np.where(top, y + np.float32(2.9), z)
    foot = np.sqrt(du[at] * dv[at])
    du[at], dv[at] = foot, foot


def _taken(values: Triple, at: Int) -> Triple:
    return values[0][at], values[1][at], values[2][at]


@dataclass(frozen=True)
class _Spread:
    """How far a sample's footprint reaches along axes of its surface."""

    camera: Camera
    normal: Triple
    direction: Triple
    t: Float32

    def along(self, at: Int, axis: Float32) -> Float32:
        """The footprint (m) of samples `at` along world axes (3,n) that lie in their surfaces."""
        normal, direction = [n[at] for n in self.normal], [d[at] for d in self.direction]
        facing = sum(n * d for n, d in zip(normal, direction, strict=True))
        facing = np.minimum(facing, np.float32(-2e-3))
        slide = sum(a * d for a, d in zip(axis, direction, strict=True)) / facing
        total = np.zeros(len(at), np.float32)
        for step in self.camera.rotation.T[:2].astype(np.float32):
            total += np.abs(sum((a - n * slide) * s for a, n, s in zip(axis, normal, step, strict=True)))
        return total * self.t[at] * np.float32(self.camera.spacing * _SOFTNESS)
