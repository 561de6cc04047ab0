"""Depth and poses of neighbouring frames of `street` predict each other: by geometry exactly, by colour nearly."""

from dataclasses import dataclass

import numpy as np
import pytest

from robustbench_seg.street.domains import DOMAINS as ALL
from robustbench_seg.street.labels import labels_of
from robustbench_seg.street.render import render
from robustbench_seg.street.town import make_scene

SIZE = (96, 192)
SCENES = 4
DOMAINS = {name: domain for name, domain in ALL.items() if not domain.convoy}
"""Those whose worlds are their own."""


@dataclass
class View:
    image: np.ndarray
    depth: np.ndarray
    semantic: np.ndarray
    intrinsics: np.ndarray
    pose: np.ndarray


def views(domain, index):
    """A frame and its next one, of a world that stands still."""
    scene = make_scene(DOMAINS[domain], 0, index)
    scene.parts.items = [item._replace(vx=0.0, vy=0.0) for item in scene.parts.items]
    for offset in (0, 1):
        frame = render(scene, offset, SIZE)
        labels = labels_of(frame)
        camera = (frame.camera.intrinsics.astype(float), frame.camera.pose.astype(float))
        yield View(frame.image.astype(float), labels["depth"].astype(float), labels["semantic"], *camera)


def warp(now, after, depth, pose):
    """`after` as seen from `now` by a depth and a pose: image, relative error of nearness, and where both hold."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([columns, rows, np.ones(SIZE)]).reshape(3, -1)
    local = np.linalg.inv(now.intrinsics) @ pixels * depth.ravel()
    world = now.pose[:3, :3] @ local + now.pose[:3, 3:]
    there = pose[:3, :3].T @ (world - pose[:3, 3:])
    z = np.where(there[2] > 0.3, there[2], np.inf)
    x, y, _ = now.intrinsics @ (there / z)
    inside = (now.depth.ravel() > 0) & (x >= 0) & (x < SIZE[1] - 1) & (y >= 0) & (y < SIZE[0] - 1) & np.isfinite(z)
    x, y, z = (np.where(inside, value, 1.0) for value in (x, y, z))
    image, near, alike = bilinear(after, x, y, now.semantic.ravel())
    error = np.abs(near * z - 1)
    return image.reshape(*SIZE, 3), error.reshape(SIZE), (inside & alike).reshape(SIZE)


def bilinear(view, x, y, semantic):
    """Colour and 1/depth at (x, y), and whether all four pixels there have the class and are no step apart."""
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    x, y = x - left, y - top
    image, near, corners = 0.0, 0.0, []
    alike = np.ones(x.shape, bool)
    inverse = 1 / np.where(view.depth > 0, view.depth, np.inf)
    for down, right, weight in ((0, 0, (1 - y) * (1 - x)), (0, 1, (1 - y) * x), (1, 0, y * (1 - x)), (1, 1, y * x)):
        at = (top + down, left + right)
        image, near = image + weight[:, None] * view.image[at], near + weight * inverse[at]
        corners.append(inverse[at])
        alike &= view.semantic[at] == semantic
    spread = np.ptp(corners, 0) / np.maximum(np.min(corners, 0), 1e-9)
    return image, near, alike & (spread < 0.25)


@pytest.mark.parametrize("domain", DOMAINS)
def test_neighbours_predict_each_other(domain):
    geometry, colour, unwarped, shares = [], [], [], []
    for index in range(SCENES):
        now, after = views(domain, index)
        image, error, valid = warp(now, after, now.depth, after.pose)
        unoccluded = valid & (error < 0.02)
        geometry.append(error[valid])
        colour.append(np.abs(image - now.image).mean(2)[unoccluded])
        unwarped.append(np.abs(after.image - now.image).mean(2)[unoccluded])
        shares.append(unoccluded.mean())
    geometry, colour, unwarped = (np.concatenate(found) for found in (geometry, colour, unwarped))

    assert np.mean(shares) > 0.35, "enough of the picture is compared"
    assert np.quantile(geometry, 0.7) < 1e-5, "1/depth is affine on planes, so bilinear sampling of it is exact"
    assert np.median(colour) < 1.3
    assert colour.mean() < 2.8
    assert np.quantile(colour, 0.9) < 8
    assert unwarped.mean() > 4 * colour.mean()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("fault", ["depth", "pose"])
@pytest.mark.slow
def test_the_comparison_notices_a_fault(domain, fault):
    right, wrong = [], []
    for index in range(SCENES):
        now, after = views(domain, index)
        pose = after.pose.copy()
        pose[:3, 3] += np.array([0.05, 0.15, 0.05]) * (fault == "pose")
        depth = now.depth * (1.2 if fault == "depth" else 1.0)
        image, error, valid = warp(now, after, now.depth, after.pose)
        bad, bad_error, bad_valid = warp(now, after, depth, pose)
        both = valid & bad_valid & (error < 0.02)
        right.append(np.abs(image - now.image).mean(2)[both])
        wrong.append(np.abs(bad - now.image).mean(2)[both])
        assert np.median(bad_error[bad_valid]) > 3e-3
    assert np.concatenate(wrong).mean() > 1.4 * np.concatenate(right).mean()
