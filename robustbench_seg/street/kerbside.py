"""What stands along the kerb: lamps, lights, signs, trees, parked bicycles; and persons on the pavement."""

from __future__ import annotations

from robustbench_seg.street.furniture import (
    add_bollard,
    add_guide_board,
    add_lamp_post,
    add_sign,
    add_traffic_light,
)
from robustbench_seg.street.houses import add_fence, add_tree
from robustbench_seg.street.people import add_person
from robustbench_seg.street.plan import Plan
from robustbench_seg.street.scene import Item
from robustbench_seg.street.vehicles import add_bicycle

_OFFSET = 0.55


def add_kerbside(plan: Plan) -> None:
    """Everything on the pavements, the rarest things first."""
    _traffic_lights(plan)
    for side in (-1, 1):
        _signs(plan, side)
        _lamps(plan, side)
        _parked_bicycles(plan, side)
        _railing(plan, side)
        _trees(plan, side)
    _persons(plan)


def _claim(plan: Plan, side: int, y: float, half: float) -> bool:
    if plan.in_crossing(side, y - half, y + half):
        return False
    return plan.take(f"kerb{side}", y - half, y + half)


def _traffic_lights(plan: Plan) -> None:
    dice, crossing = plan.dice, plan.ground.crossing
    if plan.ground.zebra is not None:
        y = plan.ground.zebra - 0.5
    elif crossing is not None:
        y = crossing.y - crossing.half - 1.2
    elif dice.chance(0.45):
        y = dice.uniform(8, 24)
    else:
        return
    if not dice.chance(0.8):
        return
    lit, arm = dice.whole(0, 2), dice.chance(0.4)
    for side in (-1, 1):
        if _claim(plan, side, y, 0.6):
            add_traffic_light(plan.parts, dice, plan.beside(side, _OFFSET, y), -side, lit, arm=arm and side > 0)
    far = y + 2 * (crossing.half if crossing is not None else 3) + 3
    if crossing is not None and dice.chance(0.6) and _claim(plan, 1, far, 0.5):
        add_traffic_light(plan.parts, dice, plan.beside(1, _OFFSET, far), -1, lit, arm=False)


def _signs(plan: Plan, side: int) -> None:
    dice = plan.dice
    y = dice.uniform(6, 16)
    for _ in range(dice.whole(1, 3)):
        if _claim(plan, side, y, 0.5):
            add_sign(plan.parts, dice, plan.beside(side, _OFFSET, y))
        y += dice.uniform(7, 18)
    y = dice.uniform(12, 35)
    if dice.chance(0.28) and _claim(plan, side, y, 0.8):
        add_guide_board(plan.parts, dice, plan.beside(side, 1.4, y), plan.domain.boards)


def _lamps(plan: Plan, side: int) -> None:
    dice = plan.dice
    y, step = dice.uniform(3, 14), dice.uniform(14, 24)
    while y < 85:
        if _claim(plan, side, y, 0.4):
            add_lamp_post(plan.parts, dice, plan.beside(side, _OFFSET, y), -side)
        y += step
    if dice.chance(0.25):
        y, step = dice.uniform(5, 14), dice.uniform(1.6, 2.4)
        for k in range(dice.whole(3, 7)):
            if _claim(plan, side, y + k * step, 0.2):
                add_bollard(plan.parts, dice, plan.beside(side, 0.4, y + k * step))


def _parked_bicycles(plan: Plan, side: int) -> None:
    dice = plan.dice
    if not dice.chance(0.45):
        return
    y, turned = dice.uniform(5, 18), dice.chance(0.5)
    for k in range(dice.whole(1, 4)):
        at = y + k * (0.9 if turned else 2.1)
        if _claim(plan, side, at, 0.44 if turned else 1.0):
            place = plan.beside(side, 1.1 if turned else 0.6, at)
            yaw = place.yaw + (dice.uniform(0.9, 1.3) if turned else dice.uniform(-0.1, 0.1))
            add_bicycle(plan.parts, dice, place._replace(yaw=yaw), ridden=False)


def _railing(plan: Plan, side: int) -> None:
    """A fence between pavement and road."""
    dice, domain = plan.dice, plan.domain
    y, length = dice.uniform(5, 20), dice.uniform(5, 12)
    if dice.chance(domain.railing) and _claim(plan, side, y + length / 2, length / 2):
        colour = dice.shade(dice.pick(domain.fences), 0.04)
        add_fence(plan.parts, dice, plan.beside(side, 0.3, y + length / 2), length, colour)


def _trees(plan: Plan, side: int) -> None:
    dice, domain = plan.dice, plan.domain
    if not dice.chance(domain.trees):
        return
    y, step, size = dice.uniform(4, 12), dice.uniform(7, 13), dice.uniform(0.8, 1.3)
    colour = dice.pick(domain.leaves)
    while y < 75:
        if dice.chance(0.85) and _claim(plan, side, y, 0.6):
            add_tree(plan.parts, dice, plan.beside(side, 0.8, y), size * dice.uniform(0.85, 1.2), colour)
        y += step


def _persons(plan: Plan) -> None:
    dice = plan.dice
    for _ in range(dice.whole(*plan.domain.crowd)):
        side = dice.pick((-1, 1))
        start, end = plan.walk_start(side), plan.walk_end(side)
        y = 4.5 + 22 * dice.random() ** 1.3
        distance = dice.uniform(start + 0.9, max(start + 1.0, end - 0.4))
        if plan.in_crossing(side, y - 0.5, y + 0.5):
            continue
        speed = dice.uniform(0.08, 0.16) if dice.chance(0.7) else 0.0
        _walker(plan, plan.beside(side, distance, y, heading=dice.pick((-1, 1)), speed=speed))
    _across_road(plan)


def _across_road(plan: Plan) -> None:
    """Persons who cross the road, on a zebra crossing or where no vehicle is."""
    dice, zebra = plan.dice, plan.ground.zebra
    if not dice.chance(0.25 if zebra is None else 0.7):
        return
    y = zebra + 1.6 if zebra is not None else dice.uniform(9, 25)
    plan.take("walkers", y - 1.6, y + 1.6)
    for _ in range(dice.whole(1, 1 if zebra is None else 3)):
        across = dice.uniform(-plan.ground.left + 0.5, plan.ground.right - 0.5)
        place = plan.on_road(across, y + dice.uniform(-1.1, 1.1))
        way, speed = dice.pick((-1, 1)), dice.uniform(0.08, 0.15)
        _walker(plan, place._replace(yaw=-way * 1.5708, vx=way * speed, vy=0.0))


def _walker(plan: Plan, place: Item) -> None:
    if plan.take("persons", place.x * 100 + place.y - 0.3, place.x * 100 + place.y + 0.3):
        add_person(plan.parts, plan.dice, place)
