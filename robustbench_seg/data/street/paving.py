"""The colour of the ground: asphalt with its markings, paving, grass and kerb stones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.street.ground import beside, strip_of
from robustbench_seg.data.street.noise import band, cell_hash, fractal, stripes
from robustbench_seg.data.street.scene import Ground
from robustbench_seg.data.street.textures import mix

Float32 = npt.NDArray[np.float32]

ROAD_CLASS, SIDEWALK_CLASS, TERRAIN_CLASS = 0, 1, 9
_KERB_STONE = 0.3


def classes_of(ground: Ground) -> npt.NDArray[np.uint8]:
    """The class of every strip number."""
    return np.array([ROAD_CLASS, *(strip.label for side in ground.strips for strip in side)], np.uint8)


def paint_ground(ground: Ground, x: Float32, y: Float32, dx: Float32, dy: Float32) -> tuple[Float32, Float32]:
    """Colours (3,N) at world (x, y) m with footprints (dx, dy) m, and the strip numbers (N,)."""
    distance, left = beside(ground, x, y)
    strip = strip_of(distance, left, ground)
    label = classes_of(ground)[strip]
    foot = np.sqrt(dx * dy)
    coarse, fine = fractal(x, y, foot, 23.0), fractal(x + 7, y, foot, 5.0)
    colour = np.empty((3, len(x)), np.float32)
    for name, paint in ((ROAD_CLASS, _road), (SIDEWALK_CLASS, _paving), (TERRAIN_CLASS, _grass)):
        at = np.flatnonzero(label == name)
        if len(at):
            colour[:, at] = paint(ground, *(a[at] for a in (x, y, dx, dy, distance, coarse, fine)))
    return colour, strip


def _base(colour: tuple[float, float, float], factor: Float32) -> Float32:
    return np.array(colour, np.float32)[:, None] * factor


def _road(
    ground: Ground,
    x: Float32,
    y: Float32,
    dx: Float32,
    dy: Float32,
    distance: Float32,
    coarse: Float32,
    fine: Float32,
) -> Float32:
    across = x - (np.float32(ground.slope) * y + np.float32(ground.curve) * y * y)
    patches = np.clip(coarse * 3 - 3.2, 0, 1) * 0.22
    tracks = 0.05 * np.cos(across * np.float32(2.2))
    asphalt = _base(ground.colours[0], 1 + 0.07 * coarse + 0.07 * fine - patches + tracks)
    marks = np.zeros_like(x)
    clear = _off_crossing(ground, y, dy)
    for offset, dashed in ground.lanes:
        line = band(across, dx, offset - 0.09, offset + 0.09) * clear
        marks = np.maximum(marks, line * stripes(y / 9, dy / 9, 0.45) if dashed else line)
    if ground.zebra is not None:
        zone = band(y, dy, ground.zebra, ground.zebra + 3.2) * (distance < -0.25)
        marks = np.maximum(marks, zone * stripes(across / 1.1, dx / 1.1, 0.5))
        stop = band(y, dy, ground.zebra - 1.6, ground.zebra - 1.1) * (across > 0) * (distance < -0.3)
        marks = np.maximum(marks, stop)
    worn = np.clip(ground.paint * (1 - ground.wear * np.clip(fine + 0.3, 0, 1.5)), 0, 1)
    return mix(asphalt, (0.82, 0.82, 0.80), (marks * worn).astype(np.float32))


def _off_crossing(ground: Ground, y: Float32, dy: Float32) -> Float32:
    side = ground.crossing
    if side is None:
        return np.ones_like(y)
    return 1 - band(y, dy, side.y - side.half - 5.5, side.y + side.half)


def _paving(
    ground: Ground,
    x: Float32,
    y: Float32,
    dx: Float32,
    dy: Float32,
    distance: Float32,
    coarse: Float32,
    fine: Float32,
) -> Float32:
    size = np.float32(ground.tiles)
    joints = np.maximum(stripes(x / size, dx / size, 0.06), stripes(y / size, dy / size, 0.06))
    i, j = np.floor(x / size).astype(np.int64), np.floor(y / size).astype(np.int64)
    fade = np.clip(1.4 - 2 * np.maximum(dx, dy) / size, 0, 1)
    tile = (cell_hash(i, j, i * 0) - 0.5) * 0.16 * fade
    slabs = _base(ground.colours[1], (1 + tile + 0.05 * coarse + 0.04 * fine) * (1 - 0.3 * joints))
    return mix(slabs, ground.colours[3], band(distance, np.maximum(dx, dy), 0.0, _KERB_STONE))


def _grass(
    ground: Ground,
    x: Float32,
    y: Float32,
    dx: Float32,
    dy: Float32,
    distance: Float32,
    coarse: Float32,
    fine: Float32,
) -> Float32:
    blades = 1 + 0.16 * coarse + 0.16 * fine + 0.08 * fractal(x * 3, y * 3, 3 * np.sqrt(dx * dy), 4.0)
    green = _base(ground.colours[2], blades)
    dry = np.clip(coarse - 0.6, 0, 1) * 0.5
    return mix(green, (0.42, 0.36, 0.22), dry)
