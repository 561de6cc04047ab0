"""Pose networks by name: the recipe's, a plugin's, and what is wrong in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.blocks.pose import PoseNet
from robustbench_seg.models.networks.build import build_pose
from robustbench_seg.models.registry import POSE_NETWORKS
from robustbench_seg.registry import load_plugin
from robustbench_seg.training.loop import STATE, train
from robustbench_seg.training.recipe import PoseRecipe
from robustbench_seg.training.state import read_state
from tests.models.networks.nano import ENCODER

NANO = ENCODER["encoder_args"]
PLUGIN = Path(__file__).parents[2] / "plugins" / "robustseg_example" / "robustseg_example" / "pose_network.py"


SMALL = {"resnet": {"encoder_args": NANO, "width": 8}, "conv": {"widths": [4, 8], "groups": 2}}


@pytest.mark.parametrize("name", list(POSE_NETWORKS))
def test_each_maps_three_frames_to_two_motions(name):
    pose = build_pose(name, SMALL[name], PRESETS["half"], "test")
    frames = torch.rand(3, 2, 3, 64, 64)
    since, until = pose(*frames)
    assert since.shape == until.shape == (2, 6)
    assert not torch.equal(since, until)
    assert max(since.abs().max(), until.abs().max()) < 0.05


def test_klingners_sees_two_frames_at_a_time_and_packnets_all_three():
    before, now, after = torch.rand(3, 1, 3, 64, 64)
    for name, apart in (("resnet", True), ("conv", False)):
        pose = build_pose(name, SMALL[name], PRESETS["half"], "test").eval()
        since, until = pose(before, now, after)
        other, moved = pose(before, now, 1 - after)
        assert torch.allclose(since, other, atol=1e-7) == apart
        assert not torch.allclose(until, moved, atol=1e-7)
        if apart:
            torch.testing.assert_close(until, pose.motion(now, after))


def test_packnets_has_the_size_of_its_seven_convolutions():
    with torch.device("meta"):
        pose = build_pose("conv", {}, PRESETS["none"], "test")
    widths, kernels = [9, 16, 32, 64, 128, 256, 256, 256], [7, 5, 3, 3, 3, 3, 3]
    convolutions = sum(k * k * a * b + 3 * b for a, b, k in zip(widths, widths[1:], kernels, strict=False))
    assert sum(p.numel() for p in pose.parameters()) == convolutions + 12 * 257
    strides = [part.stride for part in pose.modules() if isinstance(part, nn.Conv2d)]
    assert strides == [(2, 2)] * 7 + [(1, 1)]


def test_the_default_is_klingners():
    torch.manual_seed(0)
    pose = build_pose(PoseRecipe().name, {"encoder_args": NANO}, PRESETS["half"], "test")
    torch.manual_seed(0)
    same = PoseNet("resnet18", NANO, PRESETS["half"], 256)
    assert same.state_dict().keys() == pose.state_dict().keys()
    assert all(torch.equal(value, pose.state_dict()[key]) for key, value in same.state_dict().items())


@pytest.fixture
def plugin(monkeypatch):
    """The example package's pose network, for one test."""
    monkeypatch.setattr(POSE_NETWORKS, "_entries", dict(POSE_NETWORKS._all()))
    load_plugin(PLUGIN)


def test_a_plugins_pose_network_learns(tmp_path, joint_recipe, toy, sets, plugin):
    video = replace(joint_recipe.video, pose=PoseRecipe("mean_motion", {"scale": 0.1}))
    train(replace(joint_recipe, video=video, ema=0.0, steps=2), toy, toy, tmp_path, unlabelled=sets)
    (groups,) = read_state(tmp_path / STATE)["optimisers"]
    weights = {key: value for key, value in read_state(tmp_path / STATE)["module"].items() if key.startswith("pose.")}
    assert {key: tuple(value.shape) for key, value in weights.items()} == {
        "pose.conv.weight": (6, 6, 3, 3),
        "pose.conv.bias": (6,),
    }
    assert groups["state"]


def test_its_learning_rate_is_its_own(tmp_path, joint_recipe, toy, sets):
    """At a rate of 0 the pose network alone stays as it starts."""

    def weights(lr):
        video = replace(joint_recipe.video, pose=replace(joint_recipe.video.pose, lr=lr))
        optimiser = replace(joint_recipe.optimiser, weight_decay=0.0)
        recipe = replace(joint_recipe, video=video, ema=0.0, steps=1, validate_every=1, optimiser=optimiser)
        train(recipe, toy, toy, tmp_path / str(lr), unlabelled=sets)
        return {key: value for key, value in read_state(tmp_path / str(lr) / STATE)["module"].items() if "head" in key}

    still, default, same = weights(0.0), weights(None), weights(joint_recipe.optimiser.decoder_lr)
    moved = {key for key in still if not torch.equal(still[key], default[key])}
    assert moved
    assert all(key.startswith("pose.head.") for key in moved)
    assert all(torch.equal(default[key], same[key]) for key in default)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("resnt", {}, "^test: unknown pose network 'resnt'; did you mean resnet\\?$"),
        ("resnet", {"widht": 8}, r"^test: \[resnet\]: unknown key 'widht'; did you mean width\?"),
        ("conv", {"widths": []}, "^test: widths: give at least one"),
        ("conv", {"groups": 3}, "^test: conv cannot be built from .*num_channels"),
        ("resnet", {"width": 0}, r"^test: \[resnet\]: width: must be from 1 to 65536"),
        ("resnet", {"encoder": "none"}, "^test: unknown encoder 'none'"),
    ],
)
def test_what_cannot_be_built_is_one_line(name, parameters, message):
    with pytest.raises(InputError, match=message) as caught:
        build_pose(name, parameters, PRESETS["half"], "test")
    assert "\n" not in str(caught.value)
