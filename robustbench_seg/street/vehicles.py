"""Cars, trucks, buses and bicycles, built from boxes, plates and balls; they head along their own y."""

from __future__ import annotations

import math

from robustbench_seg.street.dice import Dice
from robustbench_seg.street.people import add_cyclist
from robustbench_seg.street.scene import Colour, Item, Material, Parts, look

RIDER, CAR, TRUCK, BUS, BICYCLE = 12, 13, 14, 15, 18

CAR_COLOURS: tuple[Colour, ...] = (
    (0.82, 0.83, 0.84),
    (0.55, 0.57, 0.60),
    (0.10, 0.10, 0.12),
    (0.28, 0.29, 0.31),
    (0.62, 0.07, 0.07),
    (0.08, 0.16, 0.45),
    (0.10, 0.32, 0.52),
    (0.45, 0.40, 0.32),
    (0.07, 0.28, 0.20),
    (0.78, 0.50, 0.08),
)
CARGO_COLOURS: tuple[Colour, ...] = ((0.86, 0.86, 0.84), (0.75, 0.72, 0.62), (0.50, 0.58, 0.66), (0.68, 0.46, 0.20))
CAB_COLOURS: tuple[Colour, ...] = ((0.85, 0.85, 0.85), (0.70, 0.10, 0.08), (0.10, 0.22, 0.55), (0.85, 0.55, 0.05))
BUS_COLOURS: tuple[Colour, ...] = ((0.80, 0.62, 0.06), (0.70, 0.10, 0.10), (0.12, 0.45, 0.30), (0.85, 0.40, 0.08))
_LEFT, _RIGHT = math.pi / 2, -math.pi / 2
_DARK = look(Material.PLAIN, (0.045, 0.045, 0.05))
_HEAD = look(Material.LAMP, (0.80, 0.78, 0.68))
_TAIL = look(Material.LAMP, (0.60, 0.05, 0.04))
_RECTANGLE = math.pi / 4


def add_car(parts: Parts, dice: Dice, x: float, y: float, yaw: float, vx: float = 0.0, vy: float = 0.0) -> None:
    """A saloon, hatchback, off-roader or van."""
    item = parts.add(Item(CAR, x, y, 0.0, yaw, vx, vy))
    paint = dice.shade(dice.pick(CAR_COLOURS), 0.03)
    width, length = dice.uniform(1.74, 1.9), dice.uniform(3.9, 4.7)
    kind = dice.whole(0, 3)
    hull = (0.58, 0.62, 0.74, 0.80)[kind]
    roof = (0.52, 0.60, 0.66, 0.86)[kind]
    share = (0.56, 0.64, 0.68, 0.78)[kind]
    back = (-0.06, -0.10, -0.09, -0.09)[kind] * length
    body = look(Material.BODY, paint)
    parts.box(item, (0, 0, 0.24), (width, length, hull), body, look(Material.PLAIN, paint), (0.95, 0.96))
    parts.box(
        item,
        (0, back, 0.24 + hull),
        (width * 0.93, length * share, roof),
        look(Material.GLASS, paint, 2),
        look(Material.PLAIN, paint),
        (0.80, (0.55, 0.70, 0.76, 0.80)[kind]),
        -0.04 * length,
    )
    parts.box(item, (0, 0, 0.10), (width - 0.3, length - 0.5, 0.3), _DARK)
    _wheels(parts, item, width, (length * 0.31, -length * 0.31), 0.34)
    _lights(parts, item, width, length, 0.24 + hull * 0.66)
    parts.contact(item, width / 2, length / 2, 0.72)


def _wheels(parts: Parts, item: int, width: float, axles: tuple[float, ...], radius: float) -> None:
    hub = look(Material.WHEEL, (0.55, 0.55, 0.57))
    for axle in axles:
        for side, facing in ((-1, _LEFT), (1, _RIGHT)):
            parts.plate(item, (side * (width / 2 + 0.012), axle, radius), (radius, radius), hub, facing)
            parts.box(item, (side * (width / 2 - 0.12), axle, 0.0), (0.22, radius * 1.6, radius), _DARK)


def _lights(parts: Parts, item: int, width: float, length: float, height: float) -> None:
    for side in (-1, 1):
        at = side * (width / 2 - 0.26)
        parts.plate(item, (at, length / 2 + 0.01, height), (0.24, 0.13), _HEAD, 0.0, 4, _RECTANGLE)
        parts.plate(item, (at, -length / 2 - 0.01, height), (0.22, 0.17), _TAIL, math.pi, 4, _RECTANGLE)
    number = look(Material.PLAIN, (0.82, 0.82, 0.76))
    for facing, end in ((0.0, 1), (math.pi, -1)):
        parts.plate(item, (0, end * (length / 2 + 0.015), height - 0.22), (0.36, 0.09), number, facing, 4, _RECTANGLE)


def add_truck(parts: Parts, dice: Dice, x: float, y: float, yaw: float, vx: float = 0.0, vy: float = 0.0) -> float:
    """A lorry: a cab and a box behind it. Returns its length (m)."""
    item = parts.add(Item(TRUCK, x, y, 0.0, yaw, vx, vy))
    cab, cargo = dice.shade(dice.pick(CAB_COLOURS), 0.03), dice.shade(dice.pick(CARGO_COLOURS), 0.03)
    width, load, tall = 2.4, dice.uniform(3.8, 6.2), dice.uniform(2.1, 2.7)
    length = load + 2.2
    front = length / 2 - 0.95
    paint = look(Material.PLAIN, cab)
    parts.box(item, (0, front, 0.5), (width * 0.95, 1.9, 2.1), paint, None, (0.96, 0.90), -0.08)
    screen = look(Material.PLAIN, (0.13, 0.15, 0.18))
    parts.plate(item, (0, front + 0.97, 1.95), (1.45, 0.55), screen, 0.0, 4, _RECTANGLE)
    for side, facing in ((-1, _LEFT), (1, _RIGHT)):
        parts.plate(
            item, (side * (width * 0.475 + 0.01), front + 0.1, 1.95), (0.75, 0.5), screen, facing, 4, _RECTANGLE
        )
    sheet = look(Material.PANEL, cargo, dice.uniform(0.4, 0.9), dice.pick((0.0, 0.3, 0.55)))
    parts.box(item, (0, -1.1, 0.95), (width, load, tall), sheet, look(Material.PLAIN, cargo))
    parts.box(item, (0, -0.2, 0.4), (width - 0.6, length - 0.8, 0.55), _DARK)
    _wheels(parts, item, width, (front - 0.2, -load * 0.32, -load * 0.32 - 1.1), 0.48)
    for side in (-1, 1):
        parts.plate(item, (side * 0.85, front + 0.97, 0.85), (0.3, 0.17), _HEAD, 0.0, 4, _RECTANGLE)
        parts.plate(item, (side * 0.95, -1.11 - load / 2, 0.8), (0.3, 0.2), _TAIL, math.pi, 4, _RECTANGLE)
    parts.box(item, (0, -1.0 - load / 2, 0.62), (width - 0.1, 0.12, 0.24), _DARK)
    parts.contact(item, width / 2, length / 2, 0.72)
    return length


def add_bus(parts: Parts, dice: Dice, x: float, y: float, yaw: float, vx: float = 0.0, vy: float = 0.0) -> float:
    """A city bus. Returns its length (m)."""
    item = parts.add(Item(BUS, x, y, 0.0, yaw, vx, vy))
    paint = dice.shade(dice.pick(BUS_COLOURS), 0.03)
    width, length, tall = 2.55, dice.uniform(9.0, 11.5), dice.uniform(2.7, 2.95)
    coach = look(Material.COACH, paint, dice.uniform(1.3, 1.9))
    parts.box(item, (0, 0, 0.32), (width, length, tall), coach, look(Material.PLAIN, (0.8, 0.8, 0.8)), (0.97, 0.985))
    parts.box(item, (0, -0.5, 0.3 + tall), (width * 0.7, length * 0.4, 0.24), look(Material.PLAIN, (0.7, 0.7, 0.7)))
    parts.box(item, (0, 0, 0.12), (width - 0.4, length - 0.6, 0.3), _DARK)
    _wheels(parts, item, width, (length * 0.30, -length * 0.27), 0.48)
    number = look(Material.LAMP, (0.75, 0.48, 0.08))
    for facing, end in ((0.0, 1), (math.pi, -1)):
        parts.plate(item, (0, end * length / 2, tall + 0.12), (0.9, 0.17), number, facing, 4, _RECTANGLE)
    for side in (-1, 1):
        parts.plate(item, (side * 0.95, length / 2 + 0.01, 0.75), (0.3, 0.17), _HEAD, 0.0, 4, _RECTANGLE)
        parts.plate(item, (side * 1.05, -length / 2 - 0.01, 1.0), (0.2, 0.42), _TAIL, math.pi, 4, _RECTANGLE)
    parts.contact(item, width / 2, length / 2, 0.72)
    return length


def add_bicycle(parts: Parts, dice: Dice, place: Item, *, ridden: bool) -> None:
    """A bicycle at a place (its label is ignored), with a rider or parked."""
    item = parts.add(place._replace(label=BICYCLE))
    colour = dice.shade(dice.pick(((0.55, 0.08, 0.08), (0.10, 0.25, 0.50), (0.08, 0.08, 0.09), (0.10, 0.40, 0.32))))
    frame = look(Material.PLAIN, colour)
    tyre = look(Material.SPOKES, (0.40, 0.42, 0.44))
    for axle in (-0.52, 0.52):
        for side, facing in ((-1, _LEFT), (1, _RIGHT)):
            parts.plate(item, (side * 0.035, axle, 0.35), (0.35, 0.35), tyre, facing)
        parts.box(item, (0, axle, 0.02), (0.069, 0.44, 0.62), _DARK)
    parts.ball(item, (0, -0.12, 0.62), (0.05, 0.06, 0.34), frame, -0.28)
    parts.ball(item, (0, 0.12, 0.60), (0.05, 0.06, 0.42), frame, 0.75)
    parts.ball(item, (0, 0.12, 0.82), (0.05, 0.36, 0.05), frame)
    parts.ball(item, (0, 0.44, 0.72), (0.05, 0.06, 0.40), frame, -0.22)
    parts.box(item, (0, 0.38, 1.04), (0.56, 0.07, 0.07), _DARK)
    parts.box(item, (0, -0.24, 0.90), (0.20, 0.30, 0.09), _DARK)
    parts.contact(item, 0.3, 0.8, 0.4)
    if ridden:
        add_cyclist(parts, dice, parts.add(place._replace(label=RIDER)))
