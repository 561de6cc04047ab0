"""A random world of a domain: the ground and the light; what lines the street and what moves on it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from robustbench_seg.street.dice import Dice
from robustbench_seg.street.domains import Domain, Weather
from robustbench_seg.street.frontage import add_frontage
from robustbench_seg.street.kerbside import add_kerbside
from robustbench_seg.street.paving import SIDEWALK_CLASS, TERRAIN_CLASS
from robustbench_seg.street.plan import Plan
from robustbench_seg.street.scene import Crossing, Ground, Light, Parts, Scene, Strip
from robustbench_seg.street.traffic import add_traffic


def make_scene(domain: Domain, split: int, index: int) -> Scene:
    """The world at an index of a split; no two splits share one."""
    dice = Dice(domain.seed, split, index)
    per_side = dice.pick(domain.lanes)
    lane = dice.between(domain.lane)
    parking = (dice.chance(domain.parking), dice.chance(domain.parking))
    ground = _ground(domain, dice, lane, per_side, parking)
    plan = Plan(domain, dice, Parts(), ground, lane, per_side, parking)
    add_frontage(plan)
    add_kerbside(plan)
    ahead = add_traffic(plan)
    light = _light(domain, dice, dice.pick(domain.weathers))
    scene = Scene(plan.parts, ground, light, _path(plan), domain.focal, dice.whole(0, 9972))
    # Drawn last, so that a world is the same with and without a convoy, but for what its vehicles do.
    return _followed(scene, tuple(ahead)) if dice.chance(domain.convoy) else scene


def _followed(scene: Scene, ahead: tuple[int, ...]) -> Scene:
    """The world with a convoy: the vehicles ahead keep their distance from the camera."""
    (x, y, *_), (following_x, following_y, *_) = scene.path[1:]
    items = scene.parts.items
    for number in ahead:
        items[number] = items[number]._replace(vx=following_x - x, vy=following_y - y)
    return replace(scene, convoy=ahead)


def _ground(domain: Domain, dice: Dice, lane: float, per_side: int, parking: tuple[bool, bool]) -> Ground:
    left, right = (lane * per_side + 0.25 + 2.1 * p for p in parking)
    crossing, zebra = None, None
    if dice.chance(domain.crossing):
        y, half = dice.uniform(16, 42), dice.uniform(3.0, 5.0)
        arms = dice.pick(((True, True), (True, True), (True, False), (False, True)))
        crossing = Crossing(y, half, *arms)
        zebra = y - half - 4.2 if dice.chance(0.7) else None
    elif dice.chance(0.3):
        zebra = dice.uniform(9, 26)
    solid = dice.chance(0.3)
    lines = [(0.0, not solid)]
    for k in range(1, per_side):
        lines += [(k * lane, True), (-k * lane, True)]
    for side, parked in ((-1, parking[0]), (1, parking[1])):
        if parked or dice.chance(0.4):
            lines.append((side * lane * per_side, False))
    colours = tuple(dice.shade(dice.pick(c), 0.03) for c in (domain.road, domain.paving, domain.grass, domain.paving))
    return Ground(
        left,
        right,
        dice.uniform(0.10, 0.18) if dice.chance(domain.raised) else 0.0,
        (_strips(domain, dice), _strips(domain, dice)),
        dice.uniform(-domain.curve, domain.curve),
        dice.uniform(-0.03, 0.03),
        tuple(lines),
        crossing,
        zebra,
        (colours[0], colours[1], colours[2], _lighter(colours[3])),
        dice.uniform(0.5, 1.0),
        dice.uniform(0.7, 1.0),
        dice.uniform(0.1, 0.5),
    )


def _lighter(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = (0.5 * c + 0.36 for c in colour)
    return red, green, blue


def _strips(domain: Domain, dice: Dice) -> tuple[Strip, ...]:
    """Verge or not, pavement, yard."""
    verge = dice.uniform(0.9, 2.2) if dice.chance(domain.verge) else 0.0
    walk = dice.between(domain.walk)
    yard = TERRAIN_CLASS if dice.chance(0.25 + domain.front * 0.7) else SIDEWALK_CLASS
    first = Strip(verge, TERRAIN_CLASS) if verge else Strip(walk / 2, SIDEWALK_CLASS)
    return first, Strip(verge + walk, SIDEWALK_CLASS), Strip(math.inf, yard)


def _light(domain: Domain, dice: Dice, weather: Weather) -> Light:
    height = math.radians(dice.between(weather.sun_height))
    around = dice.uniform(0, 2 * math.pi)
    direction = [math.cos(height) * math.cos(around), math.cos(height) * math.sin(around), math.sin(height)]
    strength, clouds = dice.between(weather.sun), dice.between(weather.clouds)
    sun = [c * strength for c in weather.sun_colour]
    sky = dice.shade(weather.sky_light, 0.04)
    horizon = dice.shade(weather.horizon, 0.03)
    return Light(
        np.array(direction),
        (sun[0], sun[1], sun[2]),
        sky,
        (0.72 * sky[0] + 0.12 * sun[0], 0.70 * sky[1] + 0.11 * sun[1], 0.66 * sky[2] + 0.09 * sun[2]),
        dice.shade(weather.zenith, 0.04),
        horizon,
        clouds,
        weather.cloud_colour,
        dice.between(weather.fog),
        horizon,
        dice.between(domain.exposure),
        dice.shade(domain.tint, 0.015),
        dice.between(domain.contrast),
    )


def _path(plan: Plan) -> tuple[tuple[float, ...], ...]:
    """Camera poses at offsets -1, 0 and 1: straight on at a steady speed, turning slightly."""
    domain, dice = plan.domain, plan.dice
    x = plan.lane * (0.5 + (plan.per_side - 1) * dice.whole(0, 1)) + dice.uniform(-0.5, 0.5)
    height = dice.between(domain.height)
    heading = -math.atan(plan.ground.slope)
    yaw = heading + math.radians(dice.between(domain.yaw))
    pitch, roll = math.radians(dice.between(domain.pitch)), math.radians(dice.uniform(-0.8, 0.8))
    speed, turn = dice.uniform(0.3, 1.1), math.radians(dice.uniform(-0.8, 0.8))
    dx, dy = -math.sin(heading) * speed, math.cos(heading) * speed
    return tuple((x + k * dx, k * dy, height, yaw + k * turn, pitch, roll) for k in (-1, 0, 1))
