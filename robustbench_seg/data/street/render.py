"""The picture of a world: visibility, then colour and light for every sample, then pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.street import facets as shapes
from robustbench_seg.data.street.camera import Camera, rotation
from robustbench_seg.data.street.ground import FIRST_ITEM, KERB, cast_ground, kerb_normal
from robustbench_seg.data.street.light import Shadows, cast_shadows, contact_at, contact_map, sky_colour
from robustbench_seg.data.street.paving import classes_of, paint_ground
from robustbench_seg.data.street.projection import balls_seen, facets_seen
from robustbench_seg.data.street.raster import Grid
from robustbench_seg.data.street.scene import Light, Material, Scene
from robustbench_seg.data.street.textures import PAINT, Spots

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
Triple = tuple[Float32, Float32, Float32]

_SOFTNESS = 1.5
"""Textures are filtered over this many sample spacings, the reach of the tent filter."""


@dataclass(frozen=True)
class Surfaces:
    """Every surface by id: texture frame (S,3,3), extent (S,2), look (S,6), object (S,), side (S,), normal (S,3)."""

    frame: Float32
    extent: Float32
    looks: Float32
    item: Int
    side: Int
    normal: Float32


@dataclass(frozen=True)
class Frame:
    """A rendered frame; per pixel: `image` (H,W,3) uint8, `near` 1/m, `normals` (3,H,W) world, `labels`, `item`."""

    camera: Camera
    image: npt.NDArray[np.uint8]
    near: Float32
    normals: Float32
    labels: npt.NDArray[np.uint8]
    item: npt.NDArray[np.int32]


def camera_at(scene: Scene, offset: int, size: tuple[int, int]) -> Camera:
    """The camera at a frame of the path, -1, 0 or 1."""
    x, y, z, yaw, pitch, roll = scene.path[offset + 1]
    return Camera(size, scene.focal * size[1], np.array([x, y, z]), rotation(yaw, pitch, roll))


def render(scene: Scene, offset: int, size: tuple[int, int]) -> Frame:
    """The frame at `offset` with `size` (H,W)."""
    camera = camera_at(scene, offset, size)
    boxes, plates, balls = (make(scene.parts, offset) for make in (shapes.boxes, shapes.plates, shapes.balls))
    surfaces = _surfaces(boxes, plates, balls)
    x, y = camera.rays()
    rays = _world_rays(camera, x, y)
    ground = cast_ground(scene.ground, camera.centre, rays)
    grid = Grid(x, y, ground.near, ground.ids)
    grid.cast(facets_seen(boxes, camera, FIRST_ITEM))
    grid.cast(facets_seen(plates, camera, FIRST_ITEM + len(boxes.item)))
    grid.cast(balls_seen(balls, camera, FIRST_ITEM + len(boxes.item) + len(plates.item)))
    shadows = cast_shadows(scene.light, (boxes, plates), balls)
    shader = _Shader(scene, camera, surfaces, balls, shadows, contact_map(scene.parts, offset))
    colour, normals, strips = shader.shade(grid, rays)
    return _develop(scene, camera, grid, surfaces, colour, normals, strips)


def _world_rays(camera: Camera, x: Float32, y: Float32) -> Triple:
    r = camera.rotation.astype(np.float32)
    dx, dy, dz = (r[i, 0] * x[None] + (r[i, 1] * y[:, None] + r[i, 2]) for i in range(3))
    return dx, dy, dz


def _surfaces(boxes: shapes.Facets, plates: shapes.Facets, balls: shapes.Balls) -> Surfaces:
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
class _Shader:
    """Colours samples from what they met."""

    scene: Scene
    camera: Camera
    surfaces: Surfaces
    balls: shapes.Balls
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
        lit = albedo * np.where(glows, np.float32(1.25), self._light(ids[hit], points, normal))
        haze = 1 - np.exp(np.float32(-light.fog) * t)
        colour[:, hit] = lit + (np.array(light.fog_colour, np.float32)[:, None] - lit) * haze
        normals[:, hit], strips[hit] = normal, strip
        shape = grid.ids.shape
        return colour.reshape(3, *shape), normals.reshape(3, *shape), strips.reshape(shape)

    def _normals(self, ids: npt.NDArray[np.int32], points: Triple) -> Triple:
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
        self, ids: npt.NDArray[np.int32], points: Triple, normal: Triple, direction: Triple, t: Float32
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

    def _spots(self, ids: npt.NDArray[np.int32], points: list[Float32], spread: _Spread, at: Int) -> Spots:
        s = self.surfaces
        frame = s.frame[ids]
        x, y, z = (points[i] - frame[:, 0, i] for i in range(3))
        u, v = (frame[:, k, 0] * x + frame[:, k, 1] * y + frame[:, k, 2] * z for k in (1, 2))
        looks, extent = s.looks[ids], s.extent[ids]
        return Spots(
            u,
            v,
            spread.along(at, frame[:, 1].T),
            spread.along(at, frame[:, 2].T),
            extent[:, 0],
            extent[:, 1],
            looks[:, 1:4].T,
            looks[:, 4],
            looks[:, 5],
            s.item[ids] + self.scene.salt,
            s.side[ids],
        )

    def _light(self, ids: npt.NDArray[np.int32], points: Triple, normal: Triple) -> Float32:
        """Light (3,N) that falls on samples."""
        light: Light = self.scene.light
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


def _develop(
    scene: Scene,
    camera: Camera,
    grid: Grid,
    surfaces: Surfaces,
    colour: Float32,
    normals: Float32,
    strips: npt.NDArray[np.int8],
) -> Frame:
    """Samples to pixels: colours by a tent filter and the film's response, labels at pixel centres."""
    rows = colour[:, :-2:2] + 2 * colour[:, 1:-1:2] + colour[:, 2::2]
    mean = (rows[..., :-2:2] + 2 * rows[..., 1:-1:2] + rows[..., 2::2]) / 16
    centres = np.s_[1::2, 1::2]
    ids = grid.ids[centres]
    items = np.array([item.label for item in scene.parts.items], np.uint8)
    item = surfaces.item[ids].astype(np.int32)
    labels = np.where(item >= 0, items[item], classes_of(scene.ground)[strips[centres]]).astype(np.uint8)
    labels[ids == 0] = 10
    labels[ids == KERB] = 1
    return Frame(camera, _film(scene.light, mean), grid.near[centres].copy(), normals[:, 1::2, 1::2], labels, item)


def _film(light: Light, colour: Float32) -> npt.NDArray[np.uint8]:
    """Exposure, tint, a soft shoulder and contrast: (3,H,W) to (H,W,3) uint8."""
    exposed = np.maximum(colour * np.array(light.tint, np.float32)[:, None, None] * np.float32(light.exposure), 0)
    soft = exposed * (1 + exposed * 0.25) / (1 + exposed * 0.55)
    bright = np.power(soft, np.float32(1 / light.contrast))
    return (np.clip(bright, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()
