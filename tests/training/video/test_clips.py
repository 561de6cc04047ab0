"""Clips: order, intrinsics under a mirror and another size, one colour change for three frames."""

import numpy as np
import pytest
import torch

from robustbench_seg.data.base import Sample
from robustbench_seg.errors import InputError
from robustbench_seg.training.recipe import AugmentRecipe, VideoRecipe
from robustbench_seg.training.video.clips import ClipSource, clip_batch, mirrored
from tests.training.video.conftest import Film

VIDEO = VideoRecipe("film", 3, 0.5, 1e-3)
STILL = AugmentRecipe(0.0, (0.0, 0.0, 0.0, 0.0))
K = torch.tensor([[40.0, 0, 30.0], [0, 45.0, 20.0], [0, 0, 1]])


def _project(intrinsics, point):
    pixel = intrinsics @ torch.tensor(point)
    return (pixel[:2] / pixel[2]).tolist()


def test_frames_come_in_their_order_in_time(film):
    clips = clip_batch(ClipSource(film), VIDEO, STILL, 0, 0)
    assert clips.now.shape == (3, 3, 64, 64)
    # What is at a column now was two columns to the right before.
    before, now, after = clips.clean
    assert torch.equal(before[..., 2:], now[..., :-2])
    assert torch.equal(after[..., :-2], now[..., 2:])
    torch.testing.assert_close(clips.clean, torch.stack([clips.before, clips.now, clips.after]))


def test_a_mirror_turns_frames_and_camera(film):
    plain = clip_batch(ClipSource(film), VIDEO, STILL, 0, 0)
    turned = clip_batch(ClipSource(film), VIDEO, AugmentRecipe(1.0, STILL.jitter), 0, 0)
    assert torch.equal(turned.clean, plain.clean.flip(-1))
    point = [1.0, 0.5, 4.0]
    column, row = _project(K, point)
    assert _project(mirrored(K, 61), [-1.0, 0.5, 4.0]) == pytest.approx([60 - column, row])


def test_frames_are_resized_with_their_camera(film):
    frames, intrinsics = ClipSource(film, (32, 32))[0]
    assert frames.shape == (3, 3, 32, 32)
    assert intrinsics[:2, 2].tolist() == [15.5, 15.5]


def test_one_colour_change_for_three_frames_and_none_for_the_error(film):
    jittered = AugmentRecipe(0.0, (0.4, 0.4, 0.4, 0.2))
    clips = clip_batch(ClipSource(film), VIDEO, jittered, 5, 0)
    plain = clip_batch(ClipSource(film), VIDEO, STILL, 5, 0)
    assert torch.equal(clips.clean, plain.clean)
    assert not torch.equal(clips.now, plain.now)
    torch.testing.assert_close(clips.before[..., 2:], clips.now[..., :-2])


def test_a_batch_is_a_function_of_its_step(film):
    source = ClipSource(film)
    first = clip_batch(source, VIDEO, AugmentRecipe(), 7, 1)
    clip_batch(source, VIDEO, AugmentRecipe(), 3, 1)
    again = clip_batch(ClipSource(film), VIDEO, AugmentRecipe(), 7, 1)
    assert torch.equal(first.now, again.now)
    assert torch.equal(first.intrinsics, again.intrinsics)
    assert not torch.equal(first.now, clip_batch(source, VIDEO, AugmentRecipe(), 7, 2).now)


def test_frames_of_several_sizes(film):
    whole = film._frame
    film._frame = lambda index, offset: whole(index, offset) if index else Film(1, (64, 96))._frame(0, offset)
    with pytest.raises(InputError, match=r"several sizes .*set video.size"):
        clip_batch(ClipSource(film), VideoRecipe("film", 4, 0.5, 1e-3), STILL, 0, 0)


def test_no_neighbours(toy):
    with pytest.raises(InputError, match="tiny has no neighbouring frames"):
        ClipSource(toy)


def test_no_camera(film):
    film._frame = lambda index, offset: Sample("bare", np.zeros((64, 64, 3), np.uint8), {})
    with pytest.raises(InputError, match="bare: has no camera intrinsics"):
        ClipSource(film)[0]
