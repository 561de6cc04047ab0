import numpy as np
import pytest

from robustbench_seg.results.bootstrap import resample_weights


def test_every_resample_draws_as_many_images_as_there_are():
    for groups in ([str(i) for i in range(30)], ["clip"] * 101, ["a"] * 50 + ["b"] * 60):
        weights, _ = resample_weights(groups, 0)
        assert weights.shape == (1000, len(groups))
        assert (weights.sum(1) == len(groups)).all()


def test_groups_are_drawn_whole():
    groups = [str(i // 5) for i in range(60)]
    weights, text = resample_weights(groups, 0)
    per_group = weights.reshape(1000, 12, 5)
    assert (per_group == per_group[:, :, :1]).all()
    assert "12 groups" in text


def test_image_bootstrap_has_the_textbook_spread():
    weights, _ = resample_weights([str(i) for i in range(400)], 0)
    values = np.random.default_rng(0).normal(size=400)
    spread = (weights @ values / 400).std()
    assert spread == pytest.approx(values.std() / 20, rel=0.1)


def test_blocks_widen_intervals_of_correlated_frames():
    values = np.repeat(np.random.default_rng(0).normal(size=10), 10)
    blocks, text = resample_weights(["clip"] * 100, 0)
    images, _ = resample_weights([str(i) for i in range(100)], 0)
    assert (blocks @ values).std() > 1.8 * (images @ values).std()
    assert "blocks of 20" in text


def test_blocks_do_not_cross_clips():
    groups = ["a"] * 40 + ["b"] * 40
    weights, _ = resample_weights(groups, 0, resamples=200)
    # 80 images are four whole blocks; each lies in one clip, so each clip's share is a multiple of a block.
    assert set(np.unique(weights[:, :40].sum(1))) <= {0.0, 20.0, 40.0, 60.0, 80.0}


def test_frames_of_short_clips_are_drawn_as_often_as_others():
    groups = ["a"] * 5 + ["b"] * 10 + ["c"] * 100
    weights, _ = resample_weights(groups, 0)
    assert weights.mean(0) == pytest.approx(np.ones(115), abs=0.25)


def test_one_image_has_no_interval():
    weights, text = resample_weights(["a"], 0)
    assert np.isnan(weights).all()
    assert "no interval" in text


def test_too_few_frames_are_admitted():
    _, text = resample_weights(["clip"] * 20, 0)
    assert "too narrow" in text


def test_same_seed_same_weights():
    groups = [str(i) for i in range(20)]
    assert (resample_weights(groups, 3)[0] == resample_weights(groups, 3)[0]).all()
    assert (resample_weights(groups, 3)[0] != resample_weights(groups, 4)[0]).any()
