"""Light that does not depend on the viewer: sun with cast shadows, sky light, darkened contacts; and the sky itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.facets import Balls, Facets
from robustbench_seg.street.noise import fractal
from robustbench_seg.street.projection import Window, balls_lit, facets_lit
from robustbench_seg.street.raster import Grid
from robustbench_seg.street.scene import Light, Parts

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

_REGION = np.array([[x, y, z] for x in (-20.0, 20.0) for y in (0.0, 60.0) for z in (0.0, 4.0)])
"""What the shadow map covers (m); beyond it everything is lit."""
_TEXELS = 320
_LIFT = 0.14
_DIM = 0.02
"""A sun that is weaker than this casts no shadow worth its price."""


@dataclass(frozen=True)
class Shadows:
    """The height towards the sun (m) of what it meets first, on a grid fixed to the world."""

    basis: Float
    window: Window
    height: Float32

    def lit(self, points: tuple[Float32, Float32, Float32], normals: tuple[Float32, Float32, Float32]) -> Float32:
        """The share of sunlight that reaches points, from four neighbouring texels."""
        lifted = [p + np.float32(_LIFT) * n for p, n in zip(points, normals, strict=True)]
        sx, sy, height = (sum(np.float32(a) * p for a, p in zip(axis, lifted, strict=True)) for axis in self.basis)
        x = (sx - np.float32(self.window.start[0])) / np.float32(self.window.step[0])
        y = (sy - np.float32(self.window.start[1])) / np.float32(self.window.step[1])
        inside = (x >= 0) & (x < _TEXELS - 1) & (y >= 0) & (y < _TEXELS - 1)
        x, y = np.where(inside, x, 0), np.where(inside, y, 0)
        left, top = np.floor(x), np.floor(y)
        x, y = x - left, y - top
        at = top.astype(np.int64) * _TEXELS + left.astype(np.int64)
        flat = self.height.ravel()
        corners = [(flat[at + step] < height).astype(np.float32) for step in (0, 1, _TEXELS, _TEXELS + 1)]
        upper = corners[0] + (corners[1] - corners[0]) * x
        lower = corners[2] + (corners[3] - corners[2]) * x
        return np.where(inside, upper + (lower - upper) * y, np.float32(1))


def cast_shadows(light: Light, shapes: tuple[Facets, ...], balls: Balls) -> Shadows | None:
    """The shadow map of a world; None under a dim sun."""
    if max(light.sun_colour) < _DIM:
        return None
    across = np.cross([0.0, 0.0, 1.0], light.sun)
    across /= np.linalg.norm(across)
    basis = np.stack([across, np.cross(light.sun, across), light.sun])
    corners = _REGION @ basis[:2].T
    low, high = corners.min(0), corners.max(0)
    step = (high - low) / (_TEXELS - 1)
    window = Window((low[0], low[1]), (step[0], step[1]), (_TEXELS, _TEXELS))
    x, y = (low[i] + step[i] * np.arange(_TEXELS) for i in (0, 1))
    height = np.full((_TEXELS, _TEXELS), -np.inf, np.float32)
    grid = Grid(x.astype(np.float32), y.astype(np.float32), height, np.zeros((_TEXELS, _TEXELS), np.int32))
    for facets in shapes:
        grid.cast(facets_lit(facets, basis, window))
    grid.cast(balls_lit(balls, basis, window))
    return Shadows(basis, window, height)


_CELL = 0.25
_LEFT, _NEAR = -20.0, -2.0
_CELLS = (200, 160)
_REACH = 0.7


def contact_map(parts: Parts, offset: float) -> Float32:
    """How much sky light reaches the ground beside objects, on cells of 0.25 m fixed to the world."""
    cells = np.ones(_CELLS, np.float32)
    for number, half_x, half_y, strength in parts.contacts:
        item = parts.items[int(number)]
        if item.y - half_y > _NEAR + _CELL * _CELLS[0]:
            continue
        _darken(cells, item.x + offset * item.vx, item.y + offset * item.vy, item.yaw, (half_x, half_y), strength)
    return cells


def _darken(cells: Float32, x: float, y: float, yaw: float, half: tuple[float, float], strength: float) -> None:
    reach = float(np.hypot(*half)) + _REACH
    columns = np.arange(
        *np.clip([(x - reach - _LEFT) / _CELL, (x + reach - _LEFT) / _CELL + 1], 0, _CELLS[1]).astype(int)
    )
    rows = np.arange(*np.clip([(y - reach - _NEAR) / _CELL, (y + reach - _NEAR) / _CELL + 1], 0, _CELLS[0]).astype(int))
    if not len(columns) or not len(rows):
        return
    dx = (_LEFT + columns * _CELL - x)[None].astype(np.float32)
    dy = (_NEAR + rows * _CELL - y)[:, None].astype(np.float32)
    cos, sin = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    beyond = np.maximum(np.abs(dx * cos + dy * sin) - half[0], np.abs(dy * cos - dx * sin) - half[1])
    shade = np.clip(1 - np.maximum(beyond, 0) / np.float32(_REACH), 0, 1)
    cells[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] *= 1 - np.float32(strength) * shade * shade


def contact_at(cells: Float32, x: Float32, y: Float32) -> Float32:
    """The map at world points, bilinear; 1 outside."""
    column, row = (x - np.float32(_LEFT)) / np.float32(_CELL), (y - np.float32(_NEAR)) / np.float32(_CELL)
    inside = (column >= 0) & (column < _CELLS[1] - 1) & (row >= 0) & (row < _CELLS[0] - 1)
    column, row = np.where(inside, column, 0), np.where(inside, row, 0)
    top, start = np.floor(row), np.floor(column)
    row, column = row - top, column - start
    at, flat = top.astype(np.int64) * _CELLS[1] + start.astype(np.int64), cells.ravel()
    upper = flat[at] * (1 - column) + flat[at + 1] * column
    lower = flat[at + _CELLS[1]] * (1 - column) + flat[at + _CELLS[1] + 1] * column
    return np.where(inside, upper * (1 - row) + lower * row, np.float32(1))


def sky_colour(light: Light, dx: Float32, dy: Float32, dz: Float32, salt: int) -> Float32:
    """Colours (3,N) of the sky along world directions: a gradient, clouds, and a glow around the sun."""
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    rise = np.clip(dz / length, 0, 1)
    blend = np.sqrt(rise) * 1.1
    zenith, horizon = (np.array(c, np.float32)[:, None] for c in (light.zenith, light.horizon))
    colour = horizon + (zenith - horizon) * np.clip(blend, 0, 1)
    height = np.maximum(dz / length, np.float32(0.02)) + np.float32(0.08)
    shift = np.float32(salt % 97)
    u, v = dx / length / height + shift, dy / length / height
    cloud = fractal(u, v, np.full_like(u, 0.03), 7.0)
    cover = np.clip(cloud * 0.7 + np.float32(light.clouds * 2.4 - 1.2), 0, 1) * np.clip(rise * 9, 0, 1)
    colour += (np.array(light.cloud_colour, np.float32)[:, None] - colour) * (cover * np.float32(0.9))
    sun = light.sun.astype(np.float32)
    towards = np.clip((dx * sun[0] + dy * sun[1] + dz * sun[2]) / length, 0, 1)
    glow = np.array(light.sun_colour, np.float32)[:, None] * (towards**24 * np.float32(0.25))
    result: Float32 = colour + glow
    return result
