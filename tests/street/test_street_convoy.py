"""Vehicles that move with the camera: where they are, and that they look infinitely far away in video."""

from __future__ import annotations

import numpy as np
import pytest

from robustbench_seg.street.convoy import LEAST, vehicles
from robustbench_seg.street.dataset import Street
from robustbench_seg.street.render import render
from robustbench_seg.street.vehicles import BUS, CAR, TRUCK

SIZE = (48, 96)


@pytest.fixture(scope="module")
def data():
    return Street("street-b-traffic", "val", SIZE, cache=False)


@pytest.fixture(scope="module")
def found(data):
    return [vehicle for index in range(16) for vehicle in vehicles(data, index)]


def test_only_worlds_with_a_convoy_have_any(data, found):
    assert found
    with_one = {index for index in range(16) if data.scene(index).convoy}
    assert {vehicle.index for vehicle in found} <= with_one < set(range(16))
    assert not list(vehicles(Street("street-b", "val", SIZE, cache=False), found[0].index))


def test_they_are_vehicles_that_can_be_seen(data, found):
    for vehicle in found:
        classes = data[vehicle.index].labels["semantic"][vehicle.mask]
        assert set(classes) <= {CAR, TRUCK, BUS}
        assert vehicle.mask.sum() >= LEAST / 4


def test_they_keep_their_place_before_the_camera(data, found):
    """What lies between camera and vehicle stays the same: only a camera that stands still would see them so."""
    for vehicle in found:
        scene = data.scene(vehicle.index)
        item = scene.parts.items[vehicle.number]
        for offset, (x, y, *_) in zip((-1, 0, 1), scene.path, strict=True):
            away = (item.x + offset * item.vx - x, item.y + offset * item.vy - y)
            assert away == pytest.approx((item.x - scene.path[1][0], item.y - scene.path[1][1]))


def test_their_depth_stays_while_that_of_the_street_changes(data, found):
    vehicle = max(found, key=lambda each: each.mask.sum())
    scene = data.scene(vehicle.index)
    medians = []
    for offset in (-1, 0, 1):
        frame = render(scene, offset, SIZE)
        medians.append(float(np.median(1 / frame.near[frame.item == vehicle.number])))
    # The camera turns by less than a degree a frame.
    np.testing.assert_allclose(medians, medians[1], rtol=0.02)
