"""Buildings, walls, fences, trees and hedges: what lines a street; their y runs along it."""

from __future__ import annotations

from robustbench_seg.street.dice import Dice
from robustbench_seg.street.scene import Colour, Item, Material, Parts, look

BUILDING, WALL, FENCE, VEGETATION = 2, 3, 4, 8


def scaled(colour: Colour, factor: float) -> Colour:
    """A lighter or darker colour."""
    red, green, blue = (min(c * factor, 1.0) for c in colour)
    return red, green, blue


def add_block(parts: Parts, dice: Dice, place: Item, size: Colour, colour: Colour, roof: Colour) -> None:
    """A town house of `size` (depth, length, height) with windows, sometimes shops, a cornice or a pitched roof."""
    item = parts.add(place._replace(label=BUILDING))
    depth, length, height = size
    wall = look(Material.FACADE, colour, dice.uniform(1.9, 3.4), dice.uniform(2.9, 3.6))
    tiles = look(Material.ROOF, roof, 0.35)
    shops = dice.chance(0.4)
    base = 3.6 if shops else 0.0
    parts.box(item, (0, 0, base), (depth, length, height - base), wall, tiles)
    if shops:
        front = look(Material.SHOP, dice.shade(colour), dice.uniform(2.6, 4.0))
        parts.box(item, (0, 0, 0), (depth + 0.1, length, base), front)
    else:
        plinth = look(Material.PLAIN, scaled(colour, 0.62))
        parts.box(item, (0, 0, 0), (depth + 0.12, length + 0.02, dice.uniform(0.5, 1.1)), plinth)
    trim = look(Material.PLAIN, scaled(colour, 1.12))
    parts.box(item, (0, 0, height - 0.35), (depth + 0.5, length + 0.02, 0.4), trim)
    if dice.chance(0.6):
        parts.box(item, (0, 0, height + 0.05), (depth + 0.3, length, dice.uniform(2, 3.5)), tiles, None, (0.15, 1.0))
    if dice.chance(0.5):
        for _ in range(dice.whole(1, 2)):
            at = (dice.uniform(-0.2, 0.2) * depth, dice.uniform(-0.4, 0.4) * length, height)
            parts.box(item, at, (0.7, 0.9, dice.uniform(3.0, 4.6)), look(Material.PLAIN, scaled(roof, 0.8)))
    parts.contact(item, depth / 2, length / 2, 0.5)


def add_house(parts: Parts, dice: Dice, place: Item, size: Colour, colour: Colour, roof: Colour) -> None:
    """A detached house of `size` (depth, length, eaves height) under a pitched roof, sometimes with a garage."""
    item = parts.add(place._replace(label=BUILDING))
    depth, length, height = size
    wall = look(Material.FACADE, colour, dice.uniform(2.2, 3.6), dice.uniform(2.6, 3.1))
    tiles = look(Material.ROOF, roof, 0.35)
    parts.box(item, (0, 0, 0), (depth, length, height), wall)
    rise = dice.uniform(0.30, 0.5) * min(depth, length)
    gable = (0.0, 1.0) if dice.chance(0.5) else (1.0, 0.0)
    eaves = (depth + 0.7, length + 0.7, rise)
    if dice.chance(0.7):
        parts.box(item, (0, 0, height), (depth, length, rise * 0.96), look(Material.PLAIN, colour), None, gable)
        parts.box(item, (0, 0, height - 0.12), (eaves[0], eaves[1], 0.2), look(Material.PLAIN, scaled(roof, 0.7)))
        parts.box(item, (0, 0, height + 0.08), eaves, tiles, None, gable)
    else:
        parts.box(item, (0, 0, height), eaves, tiles, None, (0.3, 0.3))
    parts.box(
        item, (depth * 0.2, length * 0.25, height), (0.7, 0.7, rise + 0.6), look(Material.PLAIN, (0.40, 0.22, 0.17))
    )
    parts.contact(item, depth / 2, length / 2, 0.5)


def add_wall(parts: Parts, dice: Dice, place: Item, length: float, colour: Colour) -> None:
    """A free-standing wall of blocks under a coping."""
    item = parts.add(place._replace(label=WALL))
    height = dice.uniform(1.3, 2.5)
    blocks = look(Material.STONE, colour, dice.uniform(0.6, 1.1), dice.uniform(0.32, 0.5))
    parts.box(item, (0, 0, 0), (0.3, length, height), blocks)
    coping = look(Material.PLAIN, scaled(colour, 0.7))
    parts.box(item, (0, 0, height), (0.46, length + 0.1, 0.14), coping)
    parts.contact(item, 0.2, length / 2, 0.5)


def add_fence(parts: Parts, dice: Dice, place: Item, length: float, colour: Colour) -> None:
    """A fence of boards, of wire in frames, or of rails between posts that one sees through."""
    item = parts.add(place._replace(label=FENCE))
    kind = dice.whole(0, 2)
    height = (dice.uniform(1.1, 1.7), dice.uniform(1.3, 2.0), dice.uniform(0.9, 1.1))[kind]
    board = look(Material.SLATS, colour, dice.uniform(0.26, 0.42))
    wire = look(Material.MESH, (0.16, 0.34, 0.24), dice.uniform(0.5, 0.8))
    rail = look(Material.PLAIN, scaled(colour, 1.15))
    if kind < 2:
        parts.box(item, (0, 0, 0.06), (0.07, length, height), (board, wire)[kind], rail)
    else:
        for level in (0.3, 0.66, 1.0):
            parts.box(item, (0, 0, level * height - 0.19), (0.08, length, 0.19), rail)
    spacing = length / max(round(length / 2.4), 1)
    post = scaled(colour, 0.8) if kind != 1 else (0.14, 0.28, 0.20)
    for k in range(round(length / spacing) + 1):
        at = -length / 2 + k * spacing
        parts.box(item, (0, at, 0), (0.15, 0.15, height + 0.15), look(Material.PLAIN, post))
    parts.contact(item, 0.1, length / 2, 0.3)


def add_tree(parts: Parts, dice: Dice, place: Item, size: float, colour: Colour) -> None:
    """A broadleaf tree or a conifer, about 5 m tall at size 1; trunk and crown are vegetation."""
    item = parts.add(place._replace(label=VEGETATION))
    trunk = dice.uniform(1.6, 2.6) * size
    bark = look(Material.BARK, dice.shade((0.30, 0.22, 0.15), 0.04))
    thick = 0.30 * size**0.5
    parts.box(item, (0, 0, 0), (thick, thick, trunk + 0.8 * size), bark, None, (0.7, 0.7))
    parts.contact(item, thick, thick, 0.5)
    if dice.chance(0.25):
        for k in range(4):
            radius = (1.35 - 0.3 * k) * size
            level = trunk * 0.55 + (0.7 + 1.0 * k) * size
            parts.ball(
                item,
                (0, 0, level),
                (radius, radius, 0.85 * size),
                look(Material.LEAVES, scaled(colour, 0.62 + 0.07 * k)),
            )
        return
    for k in range(dice.whole(3, 5)):
        radius = dice.uniform(0.95, 1.5) * size
        spread = 0.0 if k == 0 else 0.9 * size
        at = (dice.uniform(-spread, spread), dice.uniform(-spread, spread), trunk + dice.uniform(0.7, 2.0) * size)
        leaf = look(Material.LEAVES, dice.shade(colour, 0.05))
        parts.ball(item, at, (radius, radius, radius * dice.uniform(0.72, 0.95)), leaf)


def add_bush(parts: Parts, dice: Dice, place: Item, size: float, colour: Colour) -> None:
    """A bush of two or three balls."""
    item = parts.add(place._replace(label=VEGETATION))
    for _ in range(dice.whole(2, 3)):
        radius = dice.uniform(0.6, 0.9) * size
        at = (dice.uniform(-0.4, 0.4) * size, dice.uniform(-0.7, 0.7) * size, radius * 0.6)
        parts.ball(item, at, (radius, radius, radius * 0.9), look(Material.LEAVES, dice.shade(colour, 0.05)))
    parts.contact(item, 0.7 * size, 0.9 * size, 0.5)


def add_hedge(parts: Parts, dice: Dice, place: Item, length: float, colour: Colour) -> None:
    """A trimmed hedge."""
    item = parts.add(place._replace(label=VEGETATION))
    leaf = look(Material.LEAVES, dice.shade(colour, 0.05))
    parts.box(item, (0, 0, 0), (0.9, length, dice.uniform(0.9, 1.8)), leaf, None, (0.85, 0.98))
    parts.contact(item, 0.45, length / 2, 0.5)
