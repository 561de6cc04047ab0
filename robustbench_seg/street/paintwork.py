"""Textures of vehicles, traffic signs and lamps."""

from __future__ import annotations

import numpy as np

from robustbench_seg.street.noise import Values, band, stripes
from robustbench_seg.street.scene import Symbol
from robustbench_seg.street.spots import Spots, count_of, grey_blue, mix

_TOP = 4


def glass(s: Spots) -> Values:
    """`p` panes side by side in a frame of the body's colour."""
    u, du = s.across(np.maximum(s.p, 1))
    v, dv = s.up()
    return mix(s.colour, grey_blue(0.10 + 0.14 * v), stripes(u - 0.07, du, 0.86) * band(v, dv, 0.1, 0.9))


def body(s: Spots) -> Values:
    """Car paint: door lines on the flanks, a dark sill."""
    flank = ((s.side == 1) | (s.side == 3)).astype(np.float32)
    u, du = s.across(3.0)
    v, _ = s.up()
    lines = stripes(u + 0.52, du, 0.03) * flank
    sill = (1 - np.clip(v * 5 + 0.4, 0, 1)) * (s.side < _TOP)
    return s.shaded((1 - 0.5 * lines) * (1 - 0.6 * sill) * s.noise(4.0, 0.03))


def panel(s: Spots) -> Values:
    """Ribbed sheet, `p` metres a rib, with a coloured stripe from the share `q` of the height, if not 0."""
    ribs = 1 - 0.14 * stripes(s.u / s.p, s.du / s.p, 0.2)
    v, dv = s.up()
    hue = s.dice(0, 1)
    colour = np.stack([0.15 + 0.6 * hue, 0.3 - 0.2 * hue, 0.6 - 0.5 * hue])
    return mix(s.shaded(ribs * s.noise(4.0, 0.03)), colour, band(v, dv, s.q, s.q + 0.14) * (s.q > 0))


def coach(s: Spots) -> Values:
    """A bus: windows `p` metres apart above a pale skirt, one large pane at either end, doors on the right."""
    v, dv = s.up()
    end = (s.side == 0) | (s.side == 2)
    u, du = s.across(np.where(end, np.float32(1), count_of(s.width, s.p)))
    low = np.where(s.side == 2, np.float32(0.32), np.float32(0.42))
    window = stripes(u - 0.04, du, 0.92) * band(v, dv, low, 0.82)
    half, dhalf = s.across(2.0)
    door = stripes(half + 0.12, dhalf, 0.2) * band(v, dv, 0.04, 0.8) * (s.side == 1)
    base = mix(s.colour, (0.85, 0.85, 0.85), np.float32(0.7) * band(v, dv, -0.1, 0.2))
    return mix(base, grey_blue(0.12 + 0.1 * v), np.minimum(window + door, 1))


def wheel(s: Spots) -> Values:
    """A tyre with a bright hub."""
    radius = np.hypot(s.u, s.v) / s.width
    hub = np.clip((0.6 - radius) * 8, 0, 1) * np.clip((radius - 0.12) * 8, 0.4, 1)
    return mix(np.full_like(s.colour, 0.06), s.colour, hub)


def spokes(s: Spots) -> Values:
    """A bicycle's wheel: a dark tyre and hub, paler between."""
    radius = np.hypot(s.u, s.v) / s.width
    inside = mix(s.colour, (0.2, 0.2, 0.2), np.clip((0.2 - radius) * 12, 0, 1))
    return mix(inside, (0.05, 0.05, 0.05), np.clip((radius - 0.78) * 12, 0, 1))


def sign(s: Spots) -> Values:
    """The `Symbol` that `p` names, on a plate of the look's colour."""
    x, y, dx, dy = s.u / s.width, s.v / s.height, s.du / s.width, s.dv / s.height
    foot, radius = np.sqrt(dx * dy), np.hypot(x, y)
    up = np.where(s.p == Symbol.WARNING, y, -y)
    corner = 2 * np.maximum(-up, np.abs(x) * np.float32(0.866) + 0.5 * up)
    text = stripes(y * np.float32(2.2), dy * np.float32(2.2), 0.4) * band(x, dx, -0.5, 0.5) * band(y, dy, -0.6, 0.6)
    white = np.select(
        [s.p == Symbol.RING, s.p >= Symbol.WARNING, s.p == Symbol.ARROW, s.p == Symbol.BAR],
        [
            band(radius, foot, -1.0, 0.68),
            band(corner, 2 * foot, -9.0, 0.56),
            band(x, dx, -0.13, 0.13) * band(y, dy, -0.55, 0.55),
            band(x, dx, -0.6, 0.6) * band(y, dy, -0.17, 0.17),
        ],
        text,
    )
    black = np.select(
        [s.p == Symbol.RING, s.p == Symbol.WARNING],
        [band(radius, foot, -1.0, 0.27), band(x, dx, -0.09, 0.09) * band(y, dy, -0.25, 0.3)],
        np.float32(0),
    )
    return mix(mix(s.colour, (0.92, 0.92, 0.92), white), (0.12, 0.12, 0.14), black)


def lamp(s: Spots) -> Values:
    """A light of its own; `shading` leaves it as it is."""
    return s.colour
