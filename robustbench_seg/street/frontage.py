"""What lines the street: rows of houses with gaps, walls, fences, gardens and trees; and what closes the view."""

from __future__ import annotations

from robustbench_seg.street.houses import (
    add_block,
    add_bush,
    add_fence,
    add_hedge,
    add_house,
    add_tree,
    add_wall,
)
from robustbench_seg.street.plan import END, START, Plan
from robustbench_seg.street.scene import Item

_FLOOR = 3.1


def add_frontage(plan: Plan) -> None:
    """Both sides, the side street's far ends and the backdrop."""
    for side in (-1, 1):
        _row(plan, side)
    _close_side_street(plan)
    _backdrop(plan)


def _row(plan: Plan, side: int) -> None:
    dice, domain = plan.dice, plan.domain
    crossing = plan.ground.crossing
    yard = dice.between(domain.yard)
    y = START - dice.uniform(0, 8)
    while y < END:
        length = dice.between(domain.length)
        if crossing is not None and plan.in_crossing(side, y - 1.5, y + length + 1.5):
            room = crossing.y - crossing.half - 2.2 - y
            if room < 5:
                y = crossing.y + crossing.half + 2.2
                continue
            length = min(length, room)
        _lot(plan, side, y, length, plan.walk_end(side) + yard)
        y += length + (dice.between(domain.gap) if dice.chance(0.5) else 0.0)


def _lot(plan: Plan, side: int, y: float, length: float, front: float) -> None:
    dice = plan.dice
    kind = dice.weighted(plan.domain.lots)
    edge = plan.walk_end(side) + 0.35
    middle = y + length / 2
    if kind in ("block", "house"):
        _building(plan, side, middle, length, front)
        if front - edge > 1.5 and dice.chance(0.65):
            _border(plan, side, middle, length * 0.96, edge)
    elif kind == "park":
        _garden(plan, side, y, length, edge)
    else:
        place = plan.beside(side, edge, middle)
        if kind == "wall":
            add_wall(plan.parts, dice, place, length, dice.shade(dice.pick(plan.domain.walls), 0.04))
        else:
            add_fence(plan.parts, dice, place, length, dice.shade(dice.pick(plan.domain.fences), 0.04))
        _garden(plan, side, y, length, edge + 1.5)


def _building(plan: Plan, side: int, middle: float, length: float, front: float) -> None:
    dice, domain = plan.dice, plan.domain
    depth = dice.uniform(8, 12)
    place = plan.beside(side, front + depth / 2, middle)
    colour, roof = dice.shade(dice.pick(domain.facades)), dice.shade(dice.pick(domain.roofs))
    height = dice.whole(*domain.floors) * _FLOOR + dice.uniform(-0.3, 0.8)
    build = add_block if domain.floors[1] > 2 else add_house
    build(plan.parts, dice, place, (depth, length, height), colour, roof)


def _border(plan: Plan, side: int, middle: float, length: float, edge: float) -> None:
    """The front of a yard."""
    dice, domain = plan.dice, plan.domain
    place, kind = plan.beside(side, edge, middle), dice.whole(0, 4)
    if kind == 0:
        add_wall(plan.parts, dice, place, length, dice.shade(dice.pick(domain.walls), 0.04))
    elif kind == 1:
        add_hedge(plan.parts, dice, place, length, dice.pick(domain.leaves))
    elif kind in (2, 3):
        add_fence(plan.parts, dice, place, length, dice.shade(dice.pick(domain.fences), 0.04))
    else:
        add_bush(
            plan.parts, dice, plan.beside(side, edge + 0.6, middle), dice.uniform(0.8, 1.3), dice.pick(domain.leaves)
        )


def _garden(plan: Plan, side: int, y: float, length: float, edge: float) -> None:
    """Trees and bushes, and a building far behind."""
    dice, domain = plan.dice, plan.domain
    for _ in range(max(1, round(length / 5 * domain.trees * 1.6))):
        at, distance = y + dice.uniform(0.1, 0.9) * length, edge + dice.uniform(1.2, 7)
        if dice.chance(0.7):
            add_tree(
                plan.parts, dice, plan.beside(side, distance, at), dice.uniform(0.9, 1.7), dice.pick(domain.leaves)
            )
        else:
            add_bush(
                plan.parts, dice, plan.beside(side, distance, at), dice.uniform(0.9, 1.6), dice.pick(domain.leaves)
            )
    if dice.chance(0.5):
        _building(plan, side, y + length / 2, length * 0.9, edge + dice.uniform(11, 16))


def _close_side_street(plan: Plan) -> None:
    """Houses at the ends of the side street, so that it leads somewhere."""
    crossing = plan.ground.crossing
    if crossing is None:
        return
    for side, is_open in ((-1, crossing.left), (1, crossing.right)):
        if not is_open:
            continue
        for k in (-1, 0, 1):
            _building(plan, side, crossing.y + 14 * k, 13.5, plan.dice.uniform(34, 40))


def _backdrop(plan: Plan) -> None:
    """A row of houses and trees across the end of the world."""
    dice, domain = plan.dice, plan.domain
    bend = plan.ground.slope * END + plan.ground.curve * END * END
    x = -110.0
    while x < 110:
        wide = dice.uniform(12, 22)
        place = Item(0, x + wide / 2 + bend, END + 14 + dice.uniform(0, 6), plan.ground.kerb)
        colour, roof = dice.shade(dice.pick(domain.facades)), dice.shade(dice.pick(domain.roofs))
        if dice.chance(0.5):
            height = dice.whole(*domain.floors) * _FLOOR + dice.uniform(0, 3)
            build = add_block if domain.floors[1] > 2 else add_house
            build(plan.parts, dice, place, (wide, 10.0, height), colour, roof)
        else:
            for k in range(3):
                spot = place._replace(x=x + (k + 0.5) * wide / 3 + bend, y=place.y + dice.uniform(-3, 3))
                add_tree(plan.parts, dice, spot, dice.uniform(2.2, 3.4), dice.pick(domain.leaves))
        hedge = place._replace(yaw=1.5707963, y=END + 8)
        add_hedge(plan.parts, dice, hedge, wide + 0.5, dice.pick(domain.leaves))
        x += wide
