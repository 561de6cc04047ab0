"""The colour of the ground: asphalt with its markings, paving, grass and kerb stones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.ground import beside, strip_of
from robustbench_seg.street.noise import band, cell_hash, fractal, stripes
from robustbench_seg.street.scene import Colour, Ground
from robustbench_seg.street.spots import mix

Float32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]

ROAD_CLASS, SIDEWALK_CLASS, TERRAIN_CLASS = 0, 1, 9
_KERB_STONE = 0.3
_DASH, _BAR = np.float32(1 / 9), np.float32(1 / 1.1)
"""Dashes and bars a metre."""
_MARKING: Colour = (0.82, 0.82, 0.80)
_DRY: Colour = (0.42, 0.36, 0.22)


@dataclass(frozen=True)
class GroundSpots:
    """N samples of the ground: world place and footprint (m), distance beyond the kerb, noise of 23 m and 5 m."""

    x: Float32
    y: Float32
    dx: Float32
    dy: Float32
    distance: Float32
    coarse: Float32
    fine: Float32

    def at(self, index: npt.NDArray[np.int64]) -> GroundSpots:
        """Some of the samples."""
        return GroundSpots(*(value[index] for value in vars(self).values()))


def classes_of(ground: Ground) -> npt.NDArray[np.uint8]:
    """The class of every strip number."""
    return np.array([ROAD_CLASS, *(strip.label for side in ground.strips for strip in side)], np.uint8)


def paint_ground(ground: Ground, x: Float32, y: Float32, dx: Float32, dy: Float32) -> tuple[Float32, Int8]:
    """Colours (3,N) at world (x, y) m with footprints (dx, dy) m, and the strip numbers (N,)."""
    distance, left = beside(ground, x, y)
    strip = strip_of(distance, left, ground)
    label = classes_of(ground)[strip]
    foot = np.sqrt(dx * dy)
    coarse, fine = fractal(x, y, foot, 23.0), fractal(x + np.float32(7), y, foot, 5.0)
    spots = GroundSpots(x, y, dx, dy, distance, coarse, fine)
    colour = np.empty((3, len(x)), np.float32)
    for name, paint in ((ROAD_CLASS, _road), (SIDEWALK_CLASS, _paving), (TERRAIN_CLASS, _grass)):
        at = np.flatnonzero(label == name)
        if len(at):
            colour[:, at] = paint(ground, spots.at(at))
    return colour, strip


def _base(colour: Colour, factor: Float32) -> Float32:
    return np.array(colour, np.float32)[:, None] * factor


def _road(ground: Ground, s: GroundSpots) -> Float32:
    across = s.x - (np.float32(ground.slope) * s.y + np.float32(ground.curve) * s.y * s.y)
    repairs = np.clip(s.coarse * 3 - np.float32(3.2), 0, 1) * np.float32(0.22)
    tracks = np.float32(0.05) * np.cos(across * np.float32(2.2))
    asphalt = _base(ground.colours[0], 1 + np.float32(0.07) * (s.coarse + s.fine) - repairs + tracks)
    worn = np.clip(1 - np.float32(ground.wear) * np.clip(s.fine + np.float32(0.3), 0, 1.5), 0, 1)
    marks = np.maximum(_lane_lines(ground, s, across), _zebra(ground, s, across))
    return mix(asphalt, _MARKING, marks * worn * np.float32(ground.paint))


def _lane_lines(ground: Ground, s: GroundSpots, across: Float32) -> Float32:
    """How much of a sample lane lines cover; they end where a side street begins."""
    marks = np.zeros_like(across)
    for offset, dashed in ground.lanes:
        line = band(across, s.dx, offset - 0.09, offset + 0.09)
        marks = np.maximum(marks, line * stripes(s.y * _DASH, s.dy * _DASH, 0.45) if dashed else line)
    side = ground.crossing
    if side is not None:
        marks *= 1 - band(s.y, s.dy, side.y - side.half - 5.5, side.y + side.half)
    return marks


def _zebra(ground: Ground, s: GroundSpots, across: Float32) -> Float32:
    """How much of a sample a zebra crossing and its stop line cover."""
    if ground.zebra is None:
        return np.zeros_like(across)
    bars = band(s.y, s.dy, ground.zebra, ground.zebra + 3.2) * stripes(across * _BAR, s.dx * _BAR, 0.5)
    stop = band(s.y, s.dy, ground.zebra - 1.6, ground.zebra - 1.1) * (across > 0)
    result: Float32 = np.maximum(bars, stop) * (s.distance < np.float32(-0.25))
    return result


def _paving(ground: Ground, s: GroundSpots) -> Float32:
    size = np.float32(ground.tiles)
    i, j = s.x / size, s.y / size
    joints: Float32 = np.maximum(stripes(i, s.dx / size, 0.06), stripes(j, s.dy / size, 0.06))
    row, column = np.floor(i).astype(np.int64), np.floor(j).astype(np.int64)
    fade = np.clip(1.4 - 2 * np.maximum(s.dx, s.dy) / size, 0, 1)
    tile = (cell_hash(row, column, np.zeros_like(row)) - np.float32(0.5)) * fade
    shade = 1 + np.float32(0.16) * tile + np.float32(0.05) * s.coarse + np.float32(0.04) * s.fine
    slabs = _base(ground.colours[1], shade * (1 - np.float32(0.3) * joints))
    return mix(slabs, ground.colours[3], band(s.distance, np.maximum(s.dx, s.dy), 0.0, _KERB_STONE))


def _grass(ground: Ground, s: GroundSpots) -> Float32:
    blades = fractal(s.x * 3, s.y * 3, 3 * np.sqrt(s.dx * s.dy), 4.0)
    shade = 1 + np.float32(0.16) * (s.coarse + s.fine) + np.float32(0.08) * blades
    return mix(_base(ground.colours[2], shade), _DRY, np.clip(s.coarse - np.float32(0.6), 0, 1) * np.float32(0.5))
