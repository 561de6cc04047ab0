"""Common corruptions against the published tables and code (hendrycks/robustness, ImageNet-C/create_c)."""

from __future__ import annotations

import colorsys
import io
import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.corruptions.base import Corruption, Drawn
from robustbench_seg.attacks.corruptions.blur import disk, shuffled
from robustbench_seg.attacks.corruptions.geometry import enlarged, heightmap, smoothed, streaked
from robustbench_seg.attacks.registry import ATTACKS, make_attack
from robustbench_seg.errors import UsageError

NAMES = [name for name in ATTACKS if issubclass(ATTACKS.get(name), Corruption)]

PUBLISHED = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "elastic_transform": (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    ),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (25, 18, 15, 10, 7),
}
"""By severity, as make_imagenet_c.py has them."""

INFINITY = float("inf")


def picture(height=40, width=60, seed=0):
    """Smooth colours in 8 bits, with an edge."""
    coarse = torch.rand((1, 3, 5, 6), generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]
    image[:, height // 2 :, : width // 3] *= 0.3
    return (image * 255).round() / 255


def corrupted(name, *images, severity=3, ids=None, clips=None, seed=0):
    ids = ids or [f"image {i}" for i in range(len(images))]
    context = AttackContext(torch.stack(images), ids, seed=seed, clips=clips)
    return make_attack(name, {"severity": severity})(context, INFINITY)


def flat(level, height=64, width=64):
    return torch.full((3, height, width), level)


def mirrored(image, kernel):
    """Correlation in float64 by another library, edges as cv2 has them by default."""
    return np.stack([ndimage.correlate(channel, kernel, mode="mirror") for channel in image.double().numpy()])


# all of them


def test_severities_are_as_published():
    assert {name: tuple(ATTACKS.get(name).levels) for name in NAMES} == PUBLISHED


@pytest.mark.parametrize("name", NAMES)
def test_severity_0_is_the_identity(name):
    image = picture()
    assert torch.equal(corrupted(name, image, severity=0)[0], image)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", [-1, 6])
def test_other_severities_are_refused(name, severity):
    with pytest.raises(UsageError, match=f"severity {severity} must be from 0 to 5"):
        make_attack(name, {"severity": severity})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_every_severity_works_and_changes_something(name, severity):
    image = picture(24, 32)
    (x,) = corrupted(name, image, severity=severity)
    assert x.dtype == image.dtype
    assert x.min() >= 0
    assert x.max() <= 1
    assert (x - image).abs().mean() > 0.001


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (7, 3)])
def test_any_size(name, size):
    for severity in (1, 5):
        assert corrupted(name, picture(*size), severity=severity).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_at_equal_snr_the_rms_is_exact(name):
    image = picture()
    context = AttackContext(image[None], ["a"])
    attack, (full,) = make_attack(name, {}), corrupted(name, image, ids=["a"])
    for epsilon, (x,) in attack.perturb(context, (0.25, 1.0, 4.0)):
        realised = ((x.double() - image.double()) * 255).square().mean().sqrt()
        assert realised == pytest.approx(epsilon, rel=1e-3)
        inside = (x > 0) & (x < 1)
        moved, whole = (x - image)[inside], (full - image)[inside]
        assert torch.nn.functional.cosine_similarity(moved, whole, dim=0) > 0.999, "the direction of severity 3"


@pytest.mark.parametrize("name", NAMES)
def test_frames_of_a_clip_have_the_same_weather_and_noise_of_their_own(name):
    frames = [flat(level, 48, 48) for level in (0.5, 0.5, 0.5)]
    for frame in frames:
        frame[:, 10:20, 12:30] = 0.2
    same, again, other = corrupted(name, *frames, ids=["a", "b", "c"], clips=["drive", "drive", "walk"])
    kind = ATTACKS.get(name).drawn
    assert torch.equal(same, again) == (kind is not Drawn.IMAGE)
    assert torch.equal(same, other) == (kind is Drawn.NEVER)
    alone = corrupted(name, frames[1], ids=["b"], clips=["drive"])[0]
    assert torch.equal(alone, again), "whatever the batch"


def test_weather_is_drawn_by_clip_and_noise_by_image():
    of = {kind: {name for name in NAMES if ATTACKS.get(name).drawn is kind} for kind in Drawn}
    assert of[Drawn.IMAGE] == {"gaussian_noise", "shot_noise", "impulse_noise"}
    assert of[Drawn.CLIP] == {"glass_blur", "motion_blur", "snow", "fog", "elastic_transform"}


def test_a_corruption_of_your_own_is_one_method():
    @dataclass(frozen=True)
    class Veil(Corruption):
        levels: ClassVar = (0.1, 0.4)

        def corrupt(self, image, level, draw):
            return (1 - level) * image + level

    context = AttackContext(flat(0.5)[None], ["a"])
    assert Veil(severity=2)(context, INFINITY).unique().tolist() == pytest.approx([0.7])
    assert ((Veil(severity=1)(context, 4.0) - 0.5) * 255).unique().tolist() == pytest.approx([4], rel=1e-4)
    with pytest.raises(UsageError, match="severity 3 must be from 0 to 2"):
        Veil()


# noise


def test_gaussian_noise_on_mid_grey_has_the_published_deviation():
    for severity, sigma in enumerate(PUBLISHED["gaussian_noise"][:3], 1):
        (x,) = corrupted("gaussian_noise", flat(0.5), severity=severity)
        inside = (x - 0.5).abs() < 0.5
        assert (x - 0.5)[inside].std() == pytest.approx(sigma, rel=0.03)


def test_shot_noise_has_the_variance_of_counts():
    for severity, photons in enumerate(PUBLISHED["shot_noise"][:2], 1):
        (x,) = corrupted("shot_noise", flat(0.3), severity=severity)
        assert x.mean() == pytest.approx(0.3, abs=0.005)
        assert x.var() == pytest.approx(0.3 / photons, rel=0.05)
        assert torch.allclose((x * photons).round(), x * photons, atol=1e-4), "whole photons"


def test_impulse_noise_sets_the_published_share_of_values_one_by_one():
    few, many = (corrupted("impulse_noise", flat(0.5), severity=severity)[0] for severity in (1, 5))
    for x, share in ((few, 0.03), (many, 0.27)):
        assert set(x.unique().tolist()) == {0.0, 0.5, 1.0}
        assert (x != 0.5).double().mean() == pytest.approx(share, abs=0.01)
    assert (many == 1).sum() == pytest.approx(int((many == 0).sum()), rel=0.1)
    assert ((few == 0.5) | (many == few)).all(), "a higher severity sets what a lower one does"
    assert ((many != 0.5).sum(0) == 1).any(), "channels by themselves"


# blur


@pytest.mark.parametrize(("radius", "sigma"), PUBLISHED["defocus_blur"])
def test_a_defocused_point_is_a_disk(radius, sigma):
    kernel = disk(radius, sigma)
    assert kernel.sum() == pytest.approx({8: 1.01298, 10: 1.01079}.get(radius, 1), abs=1e-5)
    reach = kernel.shape[-1] // 2
    assert reach == max(8, radius)
    hard = (np.hypot(*np.indices(kernel.shape[1:]) - reach) <= radius).astype(float)
    hard /= hard.sum()
    size = 3 if radius <= 8 else 5
    line = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    soft = ndimage.correlate(hard, np.outer(line, line) / line.sum() ** 2, mode="mirror")
    assert kernel[0].numpy() == pytest.approx(soft, abs=1e-6)


def test_defocus_mirrors_the_edges():
    image = picture()
    (x,) = corrupted("defocus_blur", image, severity=4)
    assert x.numpy() == pytest.approx(mirrored(image, disk(8, 0.5)[0].double().numpy()), abs=1e-5)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_shuffles_as_the_published_loops_do(reach):
    height, width, rounds = 13, 17, 3
    x = np.random.default_rng(0).random((height, width, 3))
    order = shuffled(height, width, reach, rounds, np.random.default_rng(1))
    expected, draw = x.copy(), np.random.default_rng(1)
    rows, columns = range(reach + 1, height - reach + 1), range(reach + 1, width - reach + 1)
    for _ in range(rounds):
        down, right = draw.integers(-reach, reach, (2, len(rows), len(columns)))
        for (i, h), (j, w) in itertools.product(reversed([*enumerate(rows)]), reversed([*enumerate(columns)])):
            other = h + down[i, j], w + right[i, j]
            expected[h, w], expected[other] = expected[other], expected[h, w]
    assert np.array_equal(x.reshape(-1, 3)[order].reshape(x.shape), expected)
    assert not np.array_equal(x, expected)


def test_a_streak_is_half_a_gaussian():
    point = torch.zeros(1, 9, 41)
    point[0, 4, 30] = 1
    x = streaked(point, radius=5, sigma=3, degrees=0)
    weights = np.exp(-(np.arange(11) ** 2) / 18)
    assert x[0, 4, 20:31].flip(0).numpy() == pytest.approx(weights / weights.sum(), abs=1e-6)
    assert x.sum() == pytest.approx(1, abs=1e-6)
    assert x[0, 4].count_nonzero() == x.count_nonzero() == 11
    upright = streaked(point.transpose(1, 2), radius=5, sigma=3, degrees=90)
    assert torch.allclose(upright.transpose(1, 2), x)
    assert torch.allclose(streaked(flat(0.4), 20, 15, 33.0), flat(0.4)), "edges are repeated"


@pytest.mark.parametrize("factor", [1.0, 1.07, 1.31, 4.5])
def test_an_image_is_enlarged_as_by_scipy(factor):
    """clipped_zoom of the published code, on the square images it is for."""
    image = picture(41, 41).double()
    part = int(np.ceil(41 / factor))
    top = (41 - part) // 2
    middle = image.numpy().transpose(1, 2, 0)[top : top + part, top : top + part]
    grown = ndimage.zoom(middle, (factor, factor, 1), order=1)
    trim = (grown.shape[0] - 41) // 2
    expected = grown[trim : trim + 41, trim : trim + 41].transpose(2, 0, 1)
    assert enlarged(image, factor).numpy() == pytest.approx(expected, abs=1e-9)


def test_zoom_blur_counts_the_image_once_more():
    image = picture(41, 41)
    factors = np.arange(1, 1.31, 0.03)
    expected = (image + sum(enlarged(image, float(factor)) for factor in factors)) / (len(factors) + 1)
    assert torch.allclose(corrupted("zoom_blur", image, severity=5)[0], expected)


# weather


def published_heightmap(side, decay, draw):
    """The diamond-square algorithm of the published code, point by point."""
    heights, step, wibble = np.zeros((side, side)), side, 100.0
    while step >= 2:
        half = step // 2

        def around(h, w, offsets):
            return sum(heights[(h + i) % side, (w + j) % side] for i, j in offsets) / 4

        def fill(rows, columns, offsets, wibble=wibble):
            noise = draw.uniform(-1, 1, (len(rows), len(columns)))
            filled = {
                (h, w): around(h, w, offsets) + wibble**2 * noise[i, j]
                for (i, h), (j, w) in itertools.product(enumerate(rows), enumerate(columns))
            }
            for place, height in filled.items():
                heights[place] = height

        corners, centres = range(0, side, step), range(half, side, step)
        cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
        fill(centres, centres, list(itertools.product((-half, half), repeat=2)))
        fill(corners, centres, cross)
        fill(centres, corners, cross)
        step //= 2
        wibble /= decay
    heights -= heights.min()
    return heights / heights.max()


@pytest.mark.parametrize("decay", [1.4, 2])
def test_fog_is_a_diamond_square_map(decay):
    expected = published_heightmap(16, decay, np.random.default_rng(4))
    assert heightmap(16, decay, np.random.default_rng(4)) == pytest.approx(expected)
    assert (expected.min(), expected.max()) == (0, 1)


def test_fog_whitens_and_keeps_the_range():
    image = picture()
    for severity, (amount, _) in enumerate(PUBLISHED["fog"], 1):
        (x,) = corrupted("fog", image, severity=severity)
        brightest = float(image.max())
        bank = x * (brightest + amount) / brightest - image
        assert torch.allclose(bank[0], bank[1], atol=1e-5), "white"
        assert -1e-5 <= bank.min() <= bank.max() <= amount + 1e-5


def test_snow_brightens_and_lies_twice_over_the_image():
    image = flat(0.2, 48, 64)
    for severity, (*_, kept) in enumerate(PUBLISHED["snow"], 1):
        (x,) = corrupted("snow", image, severity=severity)
        flakes = x - (kept * 0.2 + (1 - kept) * (0.2 * 1.5 + 0.5))
        assert flakes.min() > -1e-5
        assert flakes.max() > 0.01
        unclipped = (x < 1) & (x.flip(1, 2) < 1)
        assert torch.allclose(flakes[unclipped], flakes.flip(1, 2)[unclipped], atol=1e-5)


# digital


def test_brightness_adds_to_the_value_of_hsv():
    image = picture(6, 8)
    image[:, 0, 0], image[:, 0, 1] = 0, torch.tensor([1.0, 0.5, 0.2])
    (x,) = corrupted("brightness", image, severity=3)
    for pixel, brighter in zip(image.flatten(1).T.tolist(), x.flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        assert brighter == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.3)), abs=1e-5)


def test_contrast_shrinks_around_the_mean_of_each_channel():
    image = picture()
    for severity, left in enumerate(PUBLISHED["contrast"], 1):
        (x,) = corrupted("contrast", image, severity=severity)
        assert x.mean((1, 2)).tolist() == pytest.approx(image.mean((1, 2)).tolist(), abs=1e-5)
        assert x.std((1, 2)).tolist() == pytest.approx((left * image.std((1, 2))).tolist(), rel=1e-4)


def test_pixelate_keeps_means_of_whole_blocks():
    image = picture(40, 60)
    (x,) = corrupted("pixelate", image, severity=2)
    blocks = image.reshape(3, 20, 2, 30, 2).mean((2, 4))
    assert torch.allclose(x, blocks.repeat_interleave(2, 1).repeat_interleave(2, 2), atol=1.01 / 255), (
        "Pillow rounds twice"
    )


@pytest.mark.parametrize("severity", [1, 5])
def test_jpeg_is_pillows(severity):
    image = picture()
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=PUBLISHED["jpeg_compression"][severity - 1])
    (x,) = corrupted("jpeg_compression", image, severity=severity)
    assert np.array_equal((x * 255).round().byte().permute(1, 2, 0).numpy(), np.array(Image.open(file)))


@pytest.mark.parametrize("sigma", [0.4, 2.44, 30.0])
def test_fields_are_smoothed_as_by_scipy(sigma):
    field = np.random.default_rng(0).uniform(-1, 1, (13, 22))
    expected = ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3)
    assert smoothed(field, sigma) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("severity", [1, 3])
def test_elastic_moves_are_those_of_the_published_code(severity):
    """On a ramp of columns the result says where each pixel comes from: an affine map, then smooth displacements."""
    side = 224
    ramp = (torch.arange(side, dtype=torch.float64) / side).expand(3, side, side)
    size, sigma, jolt = (244 * part for part in PUBLISHED["elastic_transform"][severity - 1])
    draw = np.random.default_rng(3)
    x = make_attack("elastic_transform", {}).corrupt(
        ramp, PUBLISHED["elastic_transform"][severity - 1], np.random.default_rng(3)
    )
    third = side // 3
    points = np.array([[third, third], [third, -third], [-third, -third]]) + side // 2
    moved = points + draw.uniform(-1, 1, (3, 2)) * jolt
    rows, columns = (
        np.indices((side, side))[axis]
        + size * ndimage.gaussian_filter(draw.uniform(-1, 1, (side, side)), sigma, mode="reflect", truncate=3)
        for axis in (0, 1)
    )
    (a, b), shift = np.linalg.lstsq(np.column_stack([moved, np.ones(3)]), points.astype(float), rcond=None)[0][:2, 0], 0
    shift = points[0, 0] - np.array([a, b]) @ moved[0]
    source = a * columns + b * rows + shift
    inside = np.zeros((side, side), bool)
    inside[60:-60, 60:-60] = True
    inside &= (source > 1) & (source < side - 2)
    assert inside.sum() > 1000
    assert x[0].numpy()[inside] * side == pytest.approx(source[inside], abs=1e-6)
