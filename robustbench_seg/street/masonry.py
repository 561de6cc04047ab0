"""Textures of what stands along a street: facades, roofs, walls, fences, plants."""

from __future__ import annotations

import numpy as np

from robustbench_seg.street.noise import Values, band, stripes
from robustbench_seg.street.spots import Spots, count_of, detail, grey_blue, mix


def plain(s: Spots) -> Values:
    """One colour, a little uneven."""
    return s.shaded(s.noise(3.0, 0.05))


def facade(s: Spots) -> Values:
    """Windows in a grid: `p` metres apart, `q` metres a floor; frames, bars and panes of many greys."""
    u, du = s.across(count_of(s.width, s.p))
    v, dv = s.up(count_of(s.height, s.q))
    size, tall = 0.42 + 0.2 * s.dice(5), 0.46 + 0.2 * s.dice(9)
    left, low = 0.5 - 0.5 * size, np.float32(0.24)
    frame = stripes(u - left + 0.05, du, size + 0.1) * stripes(v - low + 0.05, dv, tall + 0.1)
    pane = stripes(u - left, du, size) * stripes(v - low, dv, tall)
    bars = 1 - 0.6 * stripes(u - left - size * 0.46, du, size * 0.08)
    light = 0.35 + (s.dice(u, v) - 0.35) * detail(np.maximum(du, dv))
    wall = s.shaded(s.noise(9.0, 0.06) * (1 - 0.12 * stripes(v + 0.04, dv, 0.08)))
    trim = s.colour * np.float32(0.45) + np.float32(0.42)
    return mix(mix(wall, trim, frame), grey_blue(0.11 + 0.22 * light * light), pane * bars)


def shop(s: Spots) -> Values:
    """A ground floor: large panes, `p` metres apart, between piers under coloured boards."""
    u, du = s.across(count_of(s.width, s.p))
    v, dv = s.up()
    hue = s.dice(u)
    board = np.stack([0.25 + 0.5 * hue, 0.55 - 0.4 * hue, 0.2 + 0.4 * (hue * 3 % 1)])
    base = mix(s.shaded(0.75 * s.noise(5.0, 0.05)), board, band(v, dv, 0.76, 0.96))
    return mix(base, grey_blue(0.14 + 0.2 * s.dice(u, 3)), stripes(u - 0.08, du, 0.84) * band(v, dv, 0.16, 0.72))


def roof(s: Spots) -> Values:
    """Rows of tiles, `p` metres apart."""
    return s.shaded(s.noise(6.0, 0.09) * (1 - 0.3 * stripes(s.v / s.p, s.dv / s.p, 0.25)))


def stone(s: Spots) -> Values:
    """Courses of blocks, `p` metres long and `q` high, with dark joints; every block has its own grey."""
    u, du, v, dv = s.u / s.p, s.du / s.p, s.v / s.q, s.dv / s.q
    course = np.floor(v)
    along = u + 0.5 * (course % 2)
    joints = np.maximum(stripes(along, du, 0.09), stripes(v, dv, 0.14))
    block = (s.dice(along, course) - 0.5) * detail(np.maximum(du, dv))
    return s.shaded((1 + 0.4 * block) * s.noise(2.0, 0.08) * (1 - 0.45 * joints))


def slats(s: Spots) -> Values:
    """Upright boards, `p` metres apart, with dark gaps before two rails."""
    u, du = s.u / s.p, s.du / s.p
    v, dv = s.up()
    board = (s.dice(u) - 0.5) * detail(du)
    rails = band(v, dv, 0.18, 0.28) + band(v, dv, 0.72, 0.82)
    gap = stripes(u, du, 0.3) * (0.75 - 0.4 * rails)
    return s.shaded((1 + 0.25 * board) * s.noise(1.5, 0.08) * (1 - gap))


def mesh(s: Spots) -> Values:
    """A woven fence: diagonal wires, `p` metres apart, before something dark, in frames of 2.4 m."""
    width = (s.du + s.dv) / s.p
    wires = np.maximum(stripes((s.u + s.v) / s.p, width, 0.34), stripes((s.u - s.v) / s.p, width, 0.34))
    post = stripes(s.u / np.float32(2.4), s.du / np.float32(2.4), 0.06)
    v, dv = s.up()
    rail = band(v, dv, 0.94, 1.0) + band(v, dv, 0.0, 0.06)
    return s.shaded((0.4 + 0.6 * np.minimum(wires + post + rail, 1)) * s.noise(2.0, 0.05))


def leaves(s: Spots) -> Values:
    """Dappled foliage."""
    light = s.noise(2.6, 0.2) * s.noise(0.9, 0.1)
    return s.shaded(np.clip(light, 0.35, 1.6))


def bark(s: Spots) -> Values:
    """Upright furrows."""
    pitch = np.float32(0.12)
    return s.shaded((1 - 0.3 * stripes(s.u / pitch, s.du / pitch, 0.4)) * s.noise(1.2, 0.12))
