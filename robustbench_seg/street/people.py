"""Persons on foot and cyclists, of ellipsoids."""

from __future__ import annotations

import math

from robustbench_seg.street.dice import Dice
from robustbench_seg.street.scene import Colour, Item, Look, Material, Parts, look

PERSON = 11
CLOTHES: tuple[Colour, ...] = (
    (0.10, 0.11, 0.14),
    (0.16, 0.22, 0.36),
    (0.55, 0.12, 0.12),
    (0.75, 0.72, 0.66),
    (0.30, 0.32, 0.33),
    (0.12, 0.32, 0.24),
    (0.80, 0.55, 0.12),
    (0.48, 0.22, 0.42),
    (0.20, 0.45, 0.62),
    (0.38, 0.26, 0.16),
)
TROUSERS: tuple[Colour, ...] = ((0.09, 0.10, 0.13), (0.14, 0.18, 0.30), (0.30, 0.27, 0.22), (0.22, 0.22, 0.24))
SKIN: tuple[Colour, ...] = ((0.86, 0.64, 0.52), (0.70, 0.48, 0.36), (0.42, 0.27, 0.19))
HAIR: tuple[Colour, ...] = ((0.08, 0.06, 0.05), (0.26, 0.16, 0.08), (0.58, 0.44, 0.22), (0.50, 0.50, 0.50))
HELMETS: tuple[Colour, ...] = ((0.80, 0.80, 0.82), (0.75, 0.12, 0.10), (0.10, 0.10, 0.12), (0.15, 0.35, 0.70))


def _cloth(dice: Dice, colours: tuple[Colour, ...]) -> Look:
    return look(Material.PLAIN, dice.shade(dice.pick(colours), 0.04))


def _limb(parts: Parts, item: int, joint: Colour, length: float, thick: float, swing: float, face: Look) -> None:
    """An ellipsoid that hangs from a joint, swung ahead by an angle."""
    half = length / 2
    centre = (joint[0], joint[1] + half * math.sin(swing), joint[2] - half * math.cos(swing))
    parts.ball(item, centre, (thick, thick, half * 1.12), face, -swing)


def add_person(parts: Parts, dice: Dice, place: Item) -> None:
    """Somebody standing or walking; the label of the place is ignored."""
    item = parts.add(place._replace(label=PERSON))
    size = dice.uniform(0.94, 1.08) if dice.chance(0.85) else dice.uniform(0.62, 0.8)
    top, bottom, skin = _cloth(dice, CLOTHES), _cloth(dice, TROUSERS), _cloth(dice, SKIN)
    stride = dice.uniform(0.12, 0.5) if place.vx or place.vy else dice.uniform(0.02, 0.12)
    hip, shoulder = 0.90 * size, 1.43 * size
    for side in (-1, 1):
        _limb(parts, item, (side * 0.10 * size, 0, hip), 0.88 * size, 0.095 * size, side * stride, bottom)
        _limb(parts, item, (side * 0.24 * size, 0, shoulder), 0.62 * size, 0.07 * size, -side * stride * 0.9, top)
    coat = dice.chance(0.35)
    parts.ball(item, (0, 0, 1.16 * size), (0.225 * size, 0.15 * size, 0.36 * size), top)
    if coat:
        parts.ball(item, (0, 0, 0.82 * size), (0.22 * size, 0.16 * size, 0.34 * size), top)
    parts.ball(item, (0, 0.02, 1.62 * size), (0.105 * size, 0.12 * size, 0.135 * size), skin)
    parts.ball(item, (0, -0.02, 1.66 * size), (0.118 * size, 0.128 * size, 0.12 * size), _cloth(dice, HAIR))
    if dice.chance(0.3):
        parts.box(item, (0, -0.2 * size, 1.0 * size), (0.3 * size, 0.16, 0.42 * size), _cloth(dice, CLOTHES))
    parts.contact(item, 0.15, 0.15, 0.45)


def add_cyclist(parts: Parts, dice: Dice, item: int) -> None:
    """Who rides the bicycle at the same place."""
    top, bottom, skin = _cloth(dice, CLOTHES), _cloth(dice, TROUSERS), _cloth(dice, SKIN)
    lean = dice.uniform(0.25, 0.6)
    hip = (0.0, -0.24, 0.98)
    reach = 0.62
    neck = (hip[1] + reach * math.sin(lean), hip[2] + reach * math.cos(lean))
    middle = (0.0, (hip[1] + neck[0]) / 2, (hip[2] + neck[1]) / 2)
    parts.ball(item, middle, (0.23, 0.165, 0.39), top, lean)
    head = (0.0, neck[0] + 0.06, neck[1] + 0.17)
    parts.ball(item, head, (0.11, 0.125, 0.14), skin)
    cap = HELMETS if dice.chance(0.7) else HAIR
    parts.ball(item, (0.0, head[1] - 0.02, head[2] + 0.05), (0.13, 0.16, 0.115), _cloth(dice, cap))
    turn = dice.uniform(-0.35, 0.35)
    for side in (-1, 1):
        _limb(parts, item, (side * 0.23, neck[0] - 0.02, neck[1] - 0.06), 0.66, 0.07, 0.75, top)
        _limb(parts, item, (side * 0.11, hip[1], hip[2]), 0.52, 0.10, 0.95 + side * turn, bottom)
        knee = (side * 0.11, hip[1] + 0.46 * math.sin(0.95 + side * turn), hip[2] - 0.46 * math.cos(0.95 + side * turn))
        _limb(parts, item, knee, 0.50, 0.08, -0.25 + side * turn, bottom)
