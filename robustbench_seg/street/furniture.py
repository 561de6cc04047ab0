"""Poles, traffic lights and traffic signs."""

from __future__ import annotations

import math

from robustbench_seg.street.dice import Dice
from robustbench_seg.street.scene import Colour, Item, Material, Parts, Symbol, look

POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN = 5, 6, 7
_TOWARDS = math.pi
_RECTANGLE = math.pi / 4
_GREY = (0.42, 0.44, 0.45)
_LAMPS: tuple[Colour, ...] = ((1.0, 0.10, 0.06), (1.0, 0.62, 0.05), (0.10, 0.95, 0.45))


def _post(parts: Parts, place: Item, height: float, thick: float, colour: Colour = _GREY) -> int:
    item = parts.add(place._replace(label=POLE))
    parts.box(item, (0, 0, 0), (thick, thick, height), look(Material.PLAIN, colour), None, (0.75, 0.75))
    parts.contact(item, thick, thick, 0.3)
    return item


def add_lamp_post(parts: Parts, dice: Dice, place: Item, towards: int) -> None:
    """A street lamp whose arm reaches over the road (`towards` +1 or -1 in x)."""
    height = dice.uniform(5.5, 8.0)
    colour = dice.pick((_GREY, (0.20, 0.22, 0.22), (0.55, 0.56, 0.56)))
    item = _post(parts, place, height, dice.uniform(0.2, 0.28), colour)
    reach = dice.uniform(1.0, 2.0)
    metal = look(Material.PLAIN, colour)
    parts.box(item, (towards * reach / 2, 0, height - 0.16), (reach, 0.14, 0.14), metal)
    parts.box(item, (towards * reach, 0, height - 0.26), (0.75, 0.34, 0.16), look(Material.PLAIN, (0.75, 0.75, 0.7)))


def add_bollard(parts: Parts, dice: Dice, place: Item) -> None:
    """A low post."""
    _post(parts, place, dice.uniform(0.9, 1.1), 0.2, dice.pick(((0.15, 0.15, 0.16), (0.65, 0.64, 0.60))))


def add_traffic_light(parts: Parts, dice: Dice, place: Item, towards: int, lit: int, *, arm: bool) -> None:
    """Lights on a post, facing traffic from behind; with an arm, another pair hangs over the road."""
    height = 5.6 if arm else 3.5
    post = _post(parts, place, height, 0.2, (0.30, 0.31, 0.31))
    head = parts.add(place._replace(label=TRAFFIC_LIGHT))
    _lights(parts, head, (0, -0.16, 2.35), lit, dice)
    if arm:
        reach = dice.uniform(2.6, 4.2)
        bar = look(Material.PLAIN, (0.30, 0.31, 0.31))
        parts.box(post, (towards * reach / 2, 0, height - 0.25), (reach, 0.16, 0.16), bar)
        _lights(parts, head, (towards * reach, -0.16, height - 0.95), lit, dice)


def _lights(parts: Parts, item: int, foot: Colour, lit: int, dice: Dice) -> None:
    x, y, z = foot
    tall = 1.25
    dark = look(Material.PLAIN, (0.05, 0.06, 0.06))
    rim = look(Material.PLAIN, (0.80, 0.70, 0.12) if dice.chance(0.35) else (0.06, 0.07, 0.07))
    parts.box(item, (x, y, z), (0.44, 0.24, tall), dark)
    parts.box(item, (x, y + 0.13, z - 0.08), (0.62, 0.03, tall + 0.16), rim)
    for k, colour in enumerate(_LAMPS):
        shown = colour if k == lit else (0.10 * colour[0], 0.08 * colour[1], 0.08 * colour[2])
        face = look(Material.LAMP, shown)
        parts.plate(item, (x, y - 0.125, z + tall * (5 - 2 * k) / 6), (0.17, 0.17), face, _TOWARDS)


def add_sign(parts: Parts, dice: Dice, place: Item) -> None:
    """A round, triangular, square or eight-sided sign on a post, at times two."""
    height = dice.uniform(2.7, 3.3)
    _post(parts, place, height, 0.13)
    item = parts.add(place._replace(label=TRAFFIC_SIGN))
    _disc(parts, dice, item, height - 0.35)
    if dice.chance(0.35):
        _disc(parts, dice, item, height - 1.25)


_RED, _BLUE, _YELLOW = (0.78, 0.06, 0.06), (0.06, 0.24, 0.66), (0.90, 0.70, 0.06)
_SIGNS: tuple[tuple[int, float, Colour, Symbol], ...] = (
    (10, 0.0, _RED, Symbol.RING),
    (10, 0.0, _RED, Symbol.BAR),
    (10, 0.0, _BLUE, Symbol.ARROW),
    (3, math.pi / 2, _RED, Symbol.WARNING),
    (3, -math.pi / 2, _RED, Symbol.YIELD),
    (8, math.pi / 8, _RED, Symbol.BAR),
    (4, math.pi / 4, _BLUE, Symbol.ARROW),
    (4, 0.0, _YELLOW, Symbol.BAR),
)
"""Corners, turn, colour and symbol."""


def _disc(parts: Parts, dice: Dice, item: int, centre: float) -> None:
    sides, spin, colour, symbol = dice.pick(_SIGNS)
    radius = dice.uniform(0.42, 0.52) * {3: 1.2, 4: 1.15}.get(sides, 1.0)
    face = look(Material.SIGN, dice.shade(colour, 0.02), symbol)
    parts.plate(item, (0, -0.1, centre), (radius, radius), face, _TOWARDS, sides, spin)
    back = look(Material.PLAIN, (0.5, 0.5, 0.5))
    parts.plate(item, (0, -0.09, centre), (radius, radius), back, 0.0, sides, spin)


def add_guide_board(parts: Parts, dice: Dice, place: Item, colour: Colour) -> None:
    """A large board with lines of text between two posts."""
    wide, tall, low = dice.uniform(1.8, 2.8), dice.uniform(1.0, 1.5), dice.uniform(2.1, 2.7)
    item = parts.add(place._replace(label=POLE))
    for side in (-1, 1):
        at = (side * wide * 0.36, 0.06, 0.0)
        parts.box(item, at, (0.15, 0.15, low + tall), look(Material.PLAIN, _GREY))
    board = parts.add(place._replace(label=TRAFFIC_SIGN))
    radii = (wide / math.sqrt(2), tall / math.sqrt(2))
    face = look(Material.SIGN, dice.shade(colour, 0.02), Symbol.TEXT)
    parts.plate(board, (0, -0.06, low + tall / 2), radii, face, _TOWARDS, 4, _RECTANGLE)
    parts.plate(board, (0, -0.05, low + tall / 2), radii, look(Material.PLAIN, (0.5, 0.5, 0.5)), 0.0, 4, _RECTANGLE)
