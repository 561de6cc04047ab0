"""The ground of a depth map, against planes that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from robustbench_seg.street.convoy import vehicles
from robustbench_seg.street.dataset import Street
from robustbench_seg.training.stages.drop import DropBelowGround
from robustbench_seg.training.stages.ground import back_projected, below, fit_ground

SIZE = (96, 192)
HEIGHT = 1.7
INTRINSICS = np.array([[130.0, 0, 95.5], [0, 130.0, 47.5], [0, 0, 1]], np.float32)
FAR = 80.0


def street(pitch: float = 0.0, roll: float = 0.0, unit: float = 1.0) -> np.ndarray:
    """The depth of a plane HEIGHT below a camera that is turned by angles in degrees, in units of so many metres."""
    pitch, roll = math.radians(pitch), math.radians(roll)
    normal = np.array([math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch), math.sin(pitch)])
    rays = back_projected(np.ones(SIZE), INTRINSICS)
    nearness = rays @ normal / HEIGHT
    return np.where(nearness > 1 / FAR, 1 / np.maximum(nearness, 1e-9), FAR) / unit


def dice() -> np.random.Generator:
    return np.random.default_rng(0)


def test_points_are_where_their_pixels_show_them():
    points = back_projected(np.full(SIZE, 2.0), INTRINSICS)
    np.testing.assert_allclose(points[10, 20], [2 * (20 - 95.5) / 130, 2 * (10 - 47.5) / 130, 2])
    projected = points @ INTRINSICS.T
    np.testing.assert_allclose((projected / projected[..., 2:])[10, 20], [20, 10, 1])


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (2, 0), (-3, 1), (1, -4)])
@pytest.mark.parametrize("unit", [1.0, 0.1, 30.0])
def test_the_plane_is_found_whatever_stands_on_it_and_in_whatever_unit(pitch, roll, unit):
    depth = street(pitch, roll, unit)
    depth[60:96, 20:90] /= 3
    plane = fit_ground(back_projected(depth, INTRINSICS), dice())
    assert 1 / np.linalg.norm(plane) == pytest.approx(HEIGHT / unit, rel=1e-6)
    angles = np.degrees(np.arctan2(plane[[2, 0]], plane[1]))
    np.testing.assert_allclose(angles, [pitch, roll], atol=0.05)


def test_what_lies_below_is_measured_in_heights_of_the_camera():
    depth = street()
    plane = fit_ground(back_projected(depth, INTRINSICS), dice())
    depth[70, 50] *= 1.5
    depth[71, 50] *= 0.5
    found = below(back_projected(depth, INTRINSICS), plane)
    # At a depth of (1 + x) times the ground's the ray is x heights below it.
    assert found[70, 50] == pytest.approx(0.5)
    assert found[71, 50] == pytest.approx(-0.5)
    assert np.delete(found.ravel(), [70 * 192 + 50, 71 * 192 + 50]).max() < 1e-6


def test_noise_does_not_turn_the_plane():
    depth = street() * (1 + 0.02 * dice().standard_normal(SIZE))
    plane = fit_ground(back_projected(depth, INTRINSICS), dice())
    np.testing.assert_allclose(plane * HEIGHT, [0, 1, 0], atol=0.01)


def test_it_is_a_function_of_the_dice():
    points = back_projected(street() * (1 + 0.1 * dice().standard_normal(SIZE)), INTRINSICS)
    first, again, other = (fit_ground(points, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def _wall() -> np.ndarray:
    return np.full(SIZE, 5.0)


def _noise() -> np.ndarray:
    return dice().uniform(1, 50, SIZE)


@pytest.mark.parametrize("depth", [_wall(), _noise()], ids=["wall", "noise"])
def test_where_there_is_no_ground(depth):
    assert fit_ground(back_projected(depth, INTRINSICS), dice()) is None
    assert not DropBelowGround().has_hole(depth, INTRINSICS, dice())


@pytest.mark.parametrize(("pixels", "dropped"), [(2, True), (1, False)])
@pytest.mark.parametrize("unit", [1.0, 20.0])
def test_more_than_ten_pixels_of_a_large_image_are_too_many(pixels, dropped, unit):
    """10 of 640x192 are 1.5 of 192x96."""
    depth = street(unit=unit)
    depth[60, 100 : 100 + pixels] *= 2
    assert DropBelowGround(camera_height=HEIGHT).has_hole(depth, INTRINSICS, dice()) is dropped


@pytest.mark.parametrize(("metres", "dropped"), [(0.49, False), (0.51, True)])
def test_half_a_metre_is_measured_by_the_cameras_height(metres, dropped):
    depth = street(unit=7.0)
    depth[60, 100:110] *= 1 + metres / HEIGHT
    assert DropBelowGround(camera_height=HEIGHT).has_hole(depth, INTRINSICS, dice()) is dropped


def test_what_is_above_the_horizon_is_not_below_the_ground():
    depth = street()
    depth[:40] = 1e4
    assert not DropBelowGround().has_hole(depth, INTRINSICS, dice())


@pytest.mark.parametrize(("heights", "dropped"), [(19, True), (21, False)])
def test_far_away_the_plane_is_not_trusted(heights, dropped):
    depth = street()
    row = math.ceil(47.5 + 130 / heights) if dropped else math.floor(47.5 + 130 / heights)
    depth[row, 100:110] *= 3
    assert DropBelowGround().has_hole(depth, INTRINSICS, dice()) is dropped


def test_vehicles_of_a_convoy_that_seem_far_away_are_noticed():
    """In worlds whose depth is otherwise right."""
    data, rule = Street("street-b-traffic", cache=False), DropBelowGround()
    noticed = []
    for index in range(10):
        sample = data[index]
        truth, intrinsics = sample.labels["depth"], sample.camera["intrinsics"]
        depth = np.where(truth > 0, truth, FAR)
        assert not rule.has_hole(depth, intrinsics, dice())
        for vehicle in vehicles(data, index):
            if np.median(depth[vehicle.mask]) < 30:
                far = np.where(vehicle.mask, 3 * depth, depth)
                noticed.append(rule.has_hole(far, intrinsics, dice()))
    assert len(noticed) > 4
    assert all(noticed)
