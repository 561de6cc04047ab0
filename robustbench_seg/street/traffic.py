"""Vehicles: parked along the kerbs, ahead, oncoming, on the side street; and cyclists."""

from __future__ import annotations

from robustbench_seg.street.plan import Plan
from robustbench_seg.street.scene import Item
from robustbench_seg.street.vehicles import add_bicycle, add_bus, add_car, add_truck

_QUARTER = 1.5707963


def add_traffic(plan: Plan) -> range:
    """The large ones first, so that they find room; returns the numbers of the vehicles ahead, which go our way."""
    for index, side in enumerate((-1, 1)):
        if plan.parking[index]:
            _parked(plan, side)
    lanes = range(plan.per_side)
    for k in lanes:
        _lane(plan, -1, k)
    first = len(plan.parts.items)
    for k in lanes:
        _lane(plan, 1, k)
    ahead = range(first, len(plan.parts.items))
    _cyclists(plan)
    _across(plan)
    return ahead


def _clear(plan: Plan, y: float, half: float) -> bool:
    """Whether a stretch of road is free of the zebra crossing and of persons."""
    zebra = plan.ground.zebra
    crossed = zebra is not None and y + half > zebra - 0.3 and y - half < zebra + 3.5
    return not crossed and plan.is_free("walkers", y - half, y + half)


def _parked(plan: Plan, side: int) -> None:
    dice = plan.dice
    across, heading = side * (plan.kerb(side) - 1.08), side
    density = dice.uniform(0.45, 0.95)
    y = dice.uniform(0, 10)
    while y < 75:
        large = dice.chance(0.08)
        half = 5.9 if large else 2.5
        y += half
        near = plan.in_crossing(side, y - half - 1.5, y + half + 1.5)
        if dice.chance(density) and not near and _clear(plan, y, half):
            if large:
                _large(plan, across - side * 0.15, y, heading, 0.0)
            else:
                place = plan.on_road(across, y, heading=heading)
                add_car(plan.parts, dice, place.x, y, place.yaw + dice.uniform(-0.03, 0.03))
        y += half + dice.uniform(0.2, 1.2)


def _large(plan: Plan, across: float, y: float, heading: int, speed: float) -> None:
    place = plan.on_road(across, y, heading=heading, speed=speed)
    add = add_bus if plan.dice.chance(0.5) else add_truck
    add(plan.parts, plan.dice, place.x, y, place.yaw, place.vx, place.vy)


def _lane(plan: Plan, side: int, k: int) -> None:
    """Cars, and now and then a truck or a bus, ahead (right side) or oncoming (left)."""
    dice = plan.dice
    across = side * plan.lane * (k + 0.5)
    speed = dice.uniform(0.3, 1.0) if dice.chance(0.7) else 0.0
    y = dice.uniform(9, 26) if side > 0 else dice.uniform(6, 24)
    while y < 80:
        large = dice.chance(0.34)
        half = 6.0 if large else 2.6
        y += half
        if dice.chance(plan.domain.traffic) and _clear(plan, y, half):
            if large:
                _large(plan, across, y, side, speed)
                plan.take(f"cycle{side}", y - half - 1, y + half + 1)
            else:
                place = plan.on_road(across + dice.uniform(-0.2, 0.2), y, heading=side, speed=speed)
                add_car(plan.parts, dice, place.x, y, place.yaw, place.vx, place.vy)
        y += half + dice.uniform(2, 16)


def _cyclists(plan: Plan) -> None:
    dice = plan.dice
    for side in (1, -1):
        for _ in range(dice.whole(1, 3) if dice.chance(0.65 if side > 0 else 0.5) else 0):
            y = dice.uniform(5.5, 18)
            parked = 2.1 if plan.parking[(side + 1) // 2] else 0.0
            across = side * (plan.kerb(side) - parked - 0.6)
            place = plan.on_road(across, y, heading=side, speed=dice.uniform(0.15, 0.4))
            if _clear(plan, y, 1.0) and plan.take(f"cycle{side}", y - 1.6, y + 1.6):
                add_bicycle(plan.parts, dice, place, ridden=True)


def _across(plan: Plan) -> None:
    """Somebody on the side street."""
    dice, crossing = plan.dice, plan.ground.crossing
    if crossing is None:
        return
    for way, is_open in ((1, crossing.left), (-1, crossing.right)):
        if not is_open or not dice.chance(0.6):
            continue
        reach = plan.kerb(-way) + dice.uniform(4, 12)
        place = Item(0, -way * reach + plan.ground.slope * crossing.y, crossing.y - way * crossing.half / 2)
        yaw, speed = -way * _QUARTER, way * dice.uniform(0.0, 0.5)
        roll = dice.random()
        if roll < 0.6:
            add_car(plan.parts, dice, place.x, place.y, yaw, speed, 0.0)
        elif roll < 0.8:
            add_bicycle(plan.parts, dice, place._replace(yaw=yaw, vx=speed / 2), ridden=True)
        else:
            add = add_bus if dice.chance(0.5) else add_truck
            add(plan.parts, dice, place.x - way * 4, place.y, yaw, speed, 0.0)
