"""The colour of samples: what their rays met, its texture, and the light on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.camera import Camera
from robustbench_seg.street.facets import Balls
from robustbench_seg.street.ground import FIRST_ITEM, KERB, kerb_normal
from robustbench_seg.street.light import Shadows, contact_at, sky_colour
from robustbench_seg.street.paving import paint_ground
from robustbench_seg.street.raster import Grid
from robustbench_seg.street.scene import Material, Scene
from robustbench_seg.street.spots import Spots
from robustbench_seg.street.surfaces import Surfaces
from robustbench_seg.street.textures import PAINT

Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Triple = tuple[Float32, Float32, Float32]

_SOFTNESS = 1.5
"""Textures are filtered over this many sample spacings, the reach of the tent filter."""
_GLOW = np.float32(1.25)
_GRAZING = np.float32(-0.15)


@dataclass(frozen=True)
class Hits:
    """N samples that met something: surface `ids`, z-depth `t` (m), rays `x`, `y`, world `ray`, `point`, `normal`."""

    ids: Int
    t: Float32
    x: Float32
    y: Float32
    ray: Triple
    point: Triple
    normal: Triple


@dataclass(frozen=True)
class Shader:
    """Colours samples from what they met."""

    scene: Scene
    camera: Camera
    surfaces: Surfaces
    balls: Balls
    shadows: Shadows | None
    contacts: Float32

    def shade(self, grid: Grid, rays: Triple) -> tuple[Float32, Float32, Int8]:
        """Colours (3,h,w), world normals (3,h,w) and strip numbers (h,w) of a grid."""
        flat = grid.ids.ravel()
        hit, sky = np.flatnonzero(flat), np.flatnonzero(flat == 0)
        dx, dy, dz = (d.ravel() for d in rays)
        colour, normals = np.empty((3, flat.size), np.float32), np.zeros((3, flat.size), np.float32)
        strips = np.zeros(flat.size, np.int8)
        colour[:, sky] = sky_colour(self.scene.light, dx[sky], dy[sky], dz[sky], self.scene.salt)
        hits = self._hits(grid, hit, (dx[hit], dy[hit], dz[hit]))
        colour[:, hit], strips[hit] = self._colour(hits)
        for i in range(3):
            normals[i, hit] = hits.normal[i]
        shape = grid.ids.shape
        return colour.reshape(3, *shape), normals.reshape(3, *shape), strips.reshape(shape)

    def _hits(self, grid: Grid, hit: Int, ray: Triple) -> Hits:
        row, column = np.divmod(hit, len(grid.x))
        ids, t = grid.ids.ravel()[hit].astype(np.int64), np.reciprocal(grid.near.ravel()[hit])
        eye = self.camera.centre.astype(np.float32)
        point = (eye[0] + t * ray[0], eye[1] + t * ray[1], eye[2] + t * ray[2])
        return Hits(ids, t, grid.x[column], grid.y[row], ray, point, self._normals(ids, point))

    def _normals(self, ids: Int, point: Triple) -> Triple:
        x, y, z = (np.take(axis, ids) for axis in self.surfaces.normal)
        at = np.flatnonzero(ids >= self.surfaces.first_ball)
        if len(at):
            which = ids[at] - self.surfaces.first_ball
            scaled = self.balls.axes / self.balls.radii[:, :, None]
            form = np.einsum("nki,nkj->nij", scaled, scaled).astype(np.float32)[which]
            rx, ry, rz = self._from_centre(which, at, point)
            gx, gy, gz = (form[:, i, 0] * rx + form[:, i, 1] * ry + form[:, i, 2] * rz for i in range(3))
            length = np.sqrt(gx * gx + gy * gy + gz * gz)
            x[at], y[at], z[at] = gx / length, gy / length, gz / length
        at = np.flatnonzero(ids == KERB)
        if len(at):
            x[at], y[at] = kerb_normal(self.scene.ground, point[0][at], point[1][at])
            z[at] = 0
        return x, y, z

    def _from_centre(self, which: Int, at: Int, point: Triple) -> Triple:
        """Places of samples `at` relative to the centres of ellipsoids `which`."""
        centre = self.balls.centre.astype(np.float32)[which]
        return point[0][at] - centre[:, 0], point[1][at] - centre[:, 1], point[2][at] - centre[:, 2]

    def _colour(self, hits: Hits) -> tuple[Float32, Int8]:
        """Colours (3,N) and strip numbers (N,)."""
        light = self.scene.light
        material = np.take(self.surfaces.looks[0].astype(np.int8), hits.ids)
        colour, strip = self._albedo(hits, material)
        colour *= np.where(material == Material.LAMP, _GLOW, self._light(hits))
        haze = 1 - np.exp(np.float32(-light.fog) * hits.t)
        for i in range(3):
            colour[i] += (np.float32(light.fog_colour[i]) - colour[i]) * haze
        return colour, strip

    def _albedo(self, hits: Hits, material: Int8) -> tuple[Float32, Int8]:
        albedo, strip = np.empty((3, len(material)), np.float32), np.zeros(len(material), np.int8)
        for kind in np.flatnonzero(np.bincount(material)).tolist():
            at = np.flatnonzero(material == kind)
            spots = self._spots(hits, at)
            if kind == Material.GROUND:
                albedo[:, at], strip[at] = paint_ground(self.scene.ground, spots.u, spots.v, spots.du, spots.dv)
            else:
                albedo[:, at] = PAINT[kind](spots)
        stone = np.flatnonzero(hits.ids == KERB)
        albedo[:, stone] = np.array(self.scene.ground.colours[3], np.float32)[:, None] * np.float32(0.85)
        return albedo, strip

    def _spots(self, hits: Hits, at: Int) -> Spots:
        """Texture coordinates and footprints of samples, and the looks of their surfaces."""
        s, ids = self.surfaces, hits.ids[at]
        slope_x, slope_y = (np.take(axis, ids) for axis in s.tilt)
        x, y, t = hits.x[at], hits.y[at], hits.t[at]
        reach = t * np.float32(self.camera.spacing * _SOFTNESS)
        places, feet = [], []
        for table in (s.u, s.v):
            a, b, c, d = (np.take(axis, ids) for axis in table)
            swing = t * (a * x + b * y + c)
            places.append(swing + d)
            feet.append(reach * (np.abs(a - slope_x * swing) + np.abs(b - slope_y * swing)))
        round_ones = np.flatnonzero(ids >= s.first_ball)
        if len(round_ones):
            self._wrap(hits, at[round_ones], round_ones, places, feet)
        width, height = (np.take(axis, ids) for axis in s.extent)
        colour, p, q = np.take(s.looks[1:4], ids, axis=1), np.take(s.looks[4], ids), np.take(s.looks[5], ids)
        salt = np.take(s.item, ids) + self.scene.salt
        side = np.take(s.side, ids)
        return Spots(places[0], places[1], feet[0], feet[1], width, height, colour, p, q, salt, side)

    def _wrap(self, hits: Hits, at: Int, into: Int, places: list[Float32], feet: list[Float32]) -> None:
        """Ellipsoids are textured as the side of a cube that their normal points at."""
        x, y, z = self._from_centre(hits.ids[at] - self.surfaces.first_ball, at, hits.point)
        normal, ray = [n[at] for n in hits.normal], [d[at] for d in hits.ray]
        nx, ny, nz = (np.abs(n) for n in normal)
        top, flank = nz > np.maximum(nx, ny), nx > ny
        places[0][into] = np.where(flank & ~top, y + np.float32(1.7), x)
        places[1][into] = np.where(top, y + np.float32(2.9), z)
        facing = np.minimum(normal[0] * ray[0] + normal[1] * ray[1] + normal[2] * ray[2], _GRAZING)
        foot = hits.t[at] * np.float32(self.camera.spacing * _SOFTNESS) / np.sqrt(-facing)
        feet[0][into] = feet[1][into] = foot

    def _light(self, hits: Hits) -> Float32:
        """Light (3,N) that falls on samples."""
        light, normal, point = self.scene.light, hits.normal, hits.point
        sun = light.sun.astype(np.float32)
        direct = np.maximum(normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2], 0)
        if self.shadows is not None:
            at = np.flatnonzero(direct)
            direct[at] *= self.shadows.lit(_taken(point, at), _taken(normal, at))
        open_sky = 0.5 + 0.5 * normal[2]
        corner = 1 - np.float32(0.3) * np.clip(1 - point[2] * np.float32(0.7), 0, 1) * (1 - np.abs(normal[2]))
        flat = np.flatnonzero(hits.ids < FIRST_ITEM)
        corner[flat] *= contact_at(self.contacts, point[0][flat], point[1][flat])
        total = np.empty((3, len(direct)), np.float32)
        for i in range(3):
            below, above = np.float32(light.bounce[i]), np.float32(light.ambient[i])
            total[i] = np.float32(light.sun_colour[i]) * direct + (below + (above - below) * open_sky) * corner
        return total


def _taken(values: Triple, at: Int) -> Triple:
    return values[0][at], values[1][at], values[2][at]
