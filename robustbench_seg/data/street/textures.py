"""The colour of surfaces: functions of texture coordinates fixed to the objects, filtered over a sample's footprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.street.noise import band, cell_hash, fractal, stripes
from robustbench_seg.data.street.scene import Material, Symbol

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Spots:
    """N samples of one material.

    `u`, `v` are texture coordinates (m), `du`, `dv` the footprint along them, `width`, `height` the surface's
    extent, `colour` (3,N), `p`, `q` the look's numbers, `salt` (N,) int64 tells objects apart, `side` the side of a
    box (0 back, 1 right, 2 front, 3 left, 4 top, 5 bottom).
    """

    u: Float32
    v: Float32
    du: Float32
    dv: Float32
    width: Float32
    height: Float32
    colour: Float32
    p: Float32
    q: Float32
    salt: npt.NDArray[np.int64]
    side: npt.NDArray[np.int64]

    def noise(self, tile: float, strength: float) -> Float32:
        """A factor about 1 with the deviation `strength`; every object has its own."""
        shift = (self.salt * 37 % 101).astype(np.float32)
        foot = np.sqrt(self.du * self.dv)
        return 1 + np.float32(strength) * fractal(self.u + shift, self.v + shift * 0.61, foot, tile)


def mix(base: Float32, over: tuple[float, float, float] | Float32, share: Float32) -> Float32:
    """`over` (a colour, or (3,N)) laid on `base` (3,N) with `share` (N,)."""
    if isinstance(over, tuple):
        over = np.array(over, np.float32)[:, None]
    result: Float32 = base + (over - base) * share
    return result


def plain(s: Spots) -> Float32:
    return s.colour * s.noise(3.0, 0.05)


def facade(s: Spots) -> Float32:
    """Windows in a grid: `p` metres apart, `q` metres a floor; frames, sills, panes of many greys."""
    columns = np.maximum(np.rint(s.width / s.p), 1)
    floors = np.maximum(np.rint(s.height / s.q), 1)
    cu, cv = s.u * columns / s.width, s.v * floors / s.height
    du, dv = s.du * columns / s.width, s.dv * floors / s.height
    salt = s.salt
    size = 0.42 + 0.2 * cell_hash(salt, salt * 0 + 5, salt)
    tall = 0.46 + 0.2 * cell_hash(salt, salt * 0 + 9, salt)
    shift_u, shift_v = (1 - size) / 2, 0.24 * np.ones_like(tall)
    frame = stripes(cu - shift_u + 0.05, du, size + 0.1) * stripes(cv - shift_v + 0.05, dv, tall + 0.1)
    pane = stripes(cu - shift_u, du, size) * stripes(cv - shift_v, dv, tall)
    bars = 1 - 0.6 * stripes(cu - shift_u - size * 0.46, du, size * 0.08)
    lit = cell_hash(np.floor(cu).astype(np.int64), np.floor(cv).astype(np.int64), salt)
    fade = np.clip(1.5 - 2 * np.maximum(du, dv), 0, 1)
    lit = 0.35 + (lit - 0.35) * fade
    wall = s.colour * s.noise(9.0, 0.06)
    wall = wall * (1 - 0.12 * stripes(cv + 0.04, dv, 0.08))
    trim = np.clip(s.colour * 0.45 + 0.42, 0, 1)
    glass = np.stack([0.10 + 0.22 * lit**2, 0.13 + 0.24 * lit**2, 0.17 + 0.26 * lit**2])
    return mix(mix(wall, trim.astype(np.float32), frame), glass.astype(np.float32), pane * bars)


def shop(s: Spots) -> Float32:
    """A ground floor: large panes between piers under a coloured band."""
    columns = np.maximum(np.rint(s.width / s.p), 1)
    cu, du = s.u * columns / s.width, s.du * columns / s.width
    cv, dv = s.v / s.height, s.dv / s.height
    pane = stripes(cu - 0.08, du, 0.84) * band(cv, dv, 0.16, 0.72)
    sign = band(cv, dv, 0.76, 0.96)
    hue = cell_hash(np.floor(cu).astype(np.int64), s.salt * 0, s.salt)
    board = np.stack([0.25 + 0.5 * hue, 0.55 - 0.4 * hue, 0.2 + 0.4 * (hue * 3 % 1)])
    inside = 0.14 + 0.2 * cell_hash(np.floor(cu).astype(np.int64), s.salt * 0 + 3, s.salt)
    glass = np.stack([inside, inside * 1.05, inside * 1.08])
    base = s.colour * 0.75 * s.noise(5.0, 0.05)
    return mix(mix(base, board.astype(np.float32), sign), glass.astype(np.float32), pane)


def roof(s: Spots) -> Float32:
    """Rows of tiles, `p` metres apart."""
    rows = stripes(s.v / s.p, s.dv / s.p, 0.25)
    return s.colour * s.noise(6.0, 0.09) * (1 - 0.3 * rows)


def stone(s: Spots) -> Float32:
    """Courses of blocks, `p` metres long and `q` high, with dark joints; every block has its own grey."""
    course = np.floor(s.v / s.q)
    along = s.u / s.p + 0.5 * (course % 2)
    joints = np.maximum(stripes(along, s.du / s.p, 0.09), stripes(s.v / s.q, s.dv / s.q, 0.14))
    fade = np.clip(1.5 - 2 * np.maximum(s.du / s.p, s.dv / s.q), 0, 1)
    block = cell_hash(np.floor(along).astype(np.int64), course.astype(np.int64), s.salt) - 0.5
    return s.colour * (1 + 0.4 * block * fade) * s.noise(2.0, 0.08) * (1 - 0.45 * joints)


def slats(s: Spots) -> Float32:
    """Upright boards, `p` metres apart, with dark gaps and two rails behind."""
    gap = stripes(s.u / s.p, s.du / s.p, 0.3)
    board = cell_hash(np.floor(s.u / s.p).astype(np.int64), s.salt * 0, s.salt) - 0.5
    fade = np.clip(1.5 - 2 * s.du / s.p, 0, 1)
    base = s.colour * (1 + 0.25 * board * fade) * s.noise(1.5, 0.08)
    rails = band(s.v / s.height, s.dv / s.height, 0.18, 0.28) + band(s.v / s.height, s.dv / s.height, 0.72, 0.82)
    return base * (1 - gap * (0.75 - 0.4 * rails))


def mesh(s: Spots) -> Float32:
    """A woven fence: diagonal wires, `p` metres apart, before something dark, in a frame."""
    a, b = (s.u + s.v) / s.p, (s.u - s.v) / s.p
    width = (s.du + s.dv) / s.p
    wires = np.maximum(stripes(a, width, 0.34), stripes(b, width, 0.34))
    post = stripes(s.u / 2.4, s.du / 2.4, 0.06)
    rail = band(s.v, s.dv, s.height - 0.09, s.height) + band(s.v, s.dv, 0 * s.height, 0.09 + 0 * s.height)
    return s.colour * (0.4 + 0.6 * np.clip(wires + post + rail, 0, 1)) * s.noise(2.0, 0.05)


def leaves(s: Spots) -> Float32:
    light = s.noise(2.6, 0.2) * (1 + 0.10 * (s.noise(0.9, 1.0) - 1))
    shade = np.clip(light, 0.35, 1.6)
    return s.colour * np.stack([shade, shade, shade * 0.92]).astype(np.float32)


def bark(s: Spots) -> Float32:
    return s.colour * (1 - 0.3 * stripes(s.u / 0.12, s.du / 0.12, 0.4)) * s.noise(1.2, 0.12)


def glass(s: Spots) -> Float32:
    """Panes in a frame of the body's colour; `p` panes side by side."""
    panes = np.maximum(s.p, 1)
    cu, du = s.u / s.width * panes, s.du / s.width * panes
    cv, dv = s.v / np.maximum(s.height, 0.05), s.dv / np.maximum(s.height, 0.05)
    pane = stripes(cu - 0.07, du, 0.86) * band(cv, dv, 0.1, 0.9)
    tone = (0.10 + 0.14 * cv).astype(np.float32)
    return mix(s.colour, np.stack([tone, tone * 1.12, tone * 1.28]), pane)


def body(s: Spots) -> Float32:
    """Car paint: door lines on the flanks, a dark sill."""
    flank = ((s.side == 1) | (s.side == 3)).astype(np.float32)
    lines = stripes(s.u / s.width * 3 + 0.52, s.du / s.width * 3, 0.03) * flank
    sill = 1 - np.clip(s.v / np.maximum(s.height, 0.05) * 5 + 0.4, 0, 1)
    return s.colour * (1 - 0.5 * lines) * (1 - 0.6 * sill * (s.side < 4)) * s.noise(4.0, 0.03)


def panel(s: Spots) -> Float32:
    """Ribbed sheet, `p` metres a rib, with a coloured stripe at the share `q` of the height."""
    ribs = stripes(s.u / s.p, s.du / s.p, 0.2)
    cv, dv = s.v / s.height, s.dv / s.height
    stripe = band(cv, dv, s.q, s.q + 0.14) * (s.q > 0)
    hue = cell_hash(s.salt, s.salt * 0 + 1, s.salt)
    colour = np.stack([0.15 + 0.6 * hue, 0.3 - 0.2 * hue, 0.6 - 0.5 * hue]).astype(np.float32)
    return mix(s.colour * (1 - 0.14 * ribs), colour, stripe) * s.noise(4.0, 0.03)


def coach(s: Spots) -> Float32:
    """A bus: a band of windows above the body, a second colour below, doors on the right side."""
    cv, dv = s.v / s.height, s.dv / s.height
    end = (s.side == 0) | (s.side == 2)
    panes = np.where(end, 1, np.maximum(np.rint(s.width / s.p), 1)).astype(np.float32)
    cu, du = s.u / s.width * panes, s.du / s.width * panes
    top = np.where(s.side == 2, 0.84, 0.8).astype(np.float32)
    low = np.where(s.side == 2, 0.32, 0.42).astype(np.float32)
    window = stripes(cu - 0.04, du, 0.92) * band(cv, dv, low, top)
    door = stripes(s.u / s.width * 2 + 0.12, s.du / s.width * 2, 0.2) * band(cv, dv, 0.04, 0.8) * (s.side == 1)
    skirt = band(cv, dv, -0.1, 0.2)
    white = np.full_like(s.colour, 0.85)
    tone = (0.12 + 0.1 * cv).astype(np.float32)
    dark = np.stack([tone, tone * 1.1, tone * 1.2])
    base = mix(s.colour, white, (0.7 * skirt).astype(np.float32))
    return mix(base, dark, np.clip(window + door, 0, 1).astype(np.float32))


def wheel(s: Spots) -> Float32:
    """A tyre with a bright hub."""
    radius = np.hypot(s.u, s.v) / s.width
    hub = np.clip((0.6 - radius) * 8, 0, 1) * np.clip((radius - 0.12) * 8, 0.4, 1)
    return mix(np.full_like(s.colour, 0.06), s.colour, hub.astype(np.float32))


def spokes(s: Spots) -> Float32:
    """A bicycle's wheel: a dark tyre, a bright rim and paler inside."""
    radius = np.hypot(s.u, s.v) / s.width
    tyre = np.clip((radius - 0.78) * 12, 0, 1)
    hub = np.clip((0.2 - radius) * 12, 0, 1)
    return mix(mix(s.colour, (0.05, 0.05, 0.05), tyre.astype(np.float32)), (0.2, 0.2, 0.2), hub.astype(np.float32))


def sign(s: Spots) -> Float32:
    """Whatever `p`, a `Symbol`, says, on a plate of the look's colour."""
    x, y = s.u / s.width, s.v / s.height
    dx, dy = s.du / s.width, s.dv / s.height
    foot = np.sqrt(dx * dy)
    up = np.where(s.p == Symbol.WARNING, y, -y)
    corner = 2 * np.maximum(-up, np.abs(x) * np.float32(0.866) + 0.5 * up)
    white = np.select(
        [s.p == Symbol.RING, s.p >= Symbol.WARNING, s.p == Symbol.ARROW, s.p == Symbol.BAR],
        [
            band(np.hypot(x, y), foot, -1.0, 0.68),
            band(corner, 2 * foot, -9.0, 0.56),
            band(x, dx, -0.13, 0.13) * band(y, dy, -0.55, 0.55),
            band(x, dx, -0.6, 0.6) * band(y, dy, -0.17, 0.17),
        ],
        stripes(y * np.float32(2.2), dy * np.float32(2.2), 0.4) * band(x, dx, -0.5, 0.5) * band(y, dy, -0.6, 0.6),
    )
    black = np.select(
        [s.p == Symbol.RING, s.p == Symbol.WARNING],
        [band(np.hypot(x, y), foot, -1.0, 0.27), band(x, dx, -0.09, 0.09) * band(y, dy, -0.25, 0.3)],
        np.float32(0),
    )
    base = mix(s.colour, (0.92, 0.92, 0.92), white.astype(np.float32))
    return mix(base, (0.12, 0.12, 0.14), black.astype(np.float32))


def lamp(s: Spots) -> Float32:
    return s.colour


PAINT: dict[int, Callable[[Spots], Float32]] = {
    Material.PLAIN: plain,
    Material.FACADE: facade,
    Material.SHOP: shop,
    Material.ROOF: roof,
    Material.STONE: stone,
    Material.SLATS: slats,
    Material.LEAVES: leaves,
    Material.BARK: bark,
    Material.GLASS: glass,
    Material.PANEL: panel,
    Material.WHEEL: wheel,
    Material.SIGN: sign,
    Material.LAMP: lamp,
    Material.COACH: coach,
    Material.SPOKES: spokes,
    Material.BODY: body,
    Material.MESH: mesh,
}
"""What paints each material, except the ground's."""
