"""Which images are left out together."""

import numpy as np
import pytest

from robustbench_seg.results.intervals import interval
from robustbench_seg.results.jackknife import leave_out_weights


def left_out(groups: list[str]) -> list[list[int]]:
    weights, _ = leave_out_weights(groups)
    assert set(np.unique(weights)) == {0.0, 1.0}
    return [np.flatnonzero(row == 0).tolist() for row in weights]


def test_images_one_at_a_time() -> None:
    assert left_out([str(i) for i in range(3)]) == [[0], [1], [2]]
    assert leave_out_weights(["a", "b"])[1] == "t intervals, leaving out each of 2 images in turn (jackknife)"


def test_groups_whole_in_the_order_of_the_images() -> None:
    groups = [f"clip {9 - i // 2}" for i in range(18)]
    assert left_out(groups) == [[2 * i, 2 * i + 1] for i in range(9)]
    assert "9 groups" in leave_out_weights(groups)[1]


def test_blocks_of_few_clips_do_not_cross_them() -> None:
    blocks = left_out(["a"] * 40 + ["b"] * 61)
    assert [(block[0], block[-1]) for block in blocks] == [(0, 19), (20, 39), (40, 60), (61, 80), (81, 100)]
    text = leave_out_weights(["a"] * 40 + ["b"] * 61)[1]
    assert "each of 5 blocks of 20 consecutive frames of 2 clips in turn" in text


@pytest.mark.parametrize("groups", [[str(i) for i in range(500)], [str(i // 3) for i in range(2000)], ["a"] * 9000])
def test_more_than_two_hundred_sets_are_joined(groups: list[str]) -> None:
    sets = left_out(groups)
    assert len(sets) == 200
    assert [image for images in sets for image in images] == list(range(len(groups)))
    assert max(map(len, sets)) <= 1.5 * len(groups) / 200 + 3
    assert "200 sets of neighbours among" in leave_out_weights(groups)[1]


def test_one_image_has_no_interval() -> None:
    weights, text = leave_out_weights(["a"])
    assert weights.shape == (0, 1)
    assert "no interval" in text


def test_too_few_frames_are_admitted() -> None:
    assert "too narrow" in leave_out_weights(["clip"] * 20)[1]
    assert "too narrow" not in leave_out_weights(["clip"] * 80)[1]


def test_intervals_over_blocks_hold_the_mean_of_correlated_frames() -> None:
    """101 frames, an autoregression of 0.8: the 95 % intervals of single images hold their mean in half the cases."""
    frames = autoregression(0.8, 101, draws=1000)
    held = {}
    for name, groups in {"blocks": ["clip"] * 101, "images": [str(i) for i in range(101)]}.items():
        weights, _ = leave_out_weights(groups)
        others = frames @ weights.T / weights.sum(1)
        bounds = [interval(mean, left) for mean, left in zip(frames.mean(1), others, strict=True)]
        held[name] = np.mean([low <= 0 <= high for low, high in bounds])
    assert held["images"] < 0.55
    assert 0.92 < held["blocks"] < 0.98


def autoregression(share: float, length: int, draws: int) -> np.ndarray:
    """Sequences (draws, length) of mean 0 that keep this share of the value before."""
    noise = np.random.default_rng(0).normal(size=(draws, length + 100))
    for i in range(1, noise.shape[1]):
        noise[:, i] += share * noise[:, i - 1]
    return noise[:, 100:]
