"""Depth learnt from video alone: there are no labelled images; depth chooses the checkpoint where there is any."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.models.networks.base import NetworkParameters
from robustbench_seg.models.registry import NETWORKS
from robustbench_seg.training import loop
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import BEST, STATE, build_module, train
from robustbench_seg.training.recipe import ArchitectureRecipe
from robustbench_seg.training.state import read_state


@pytest.fixture
def unseen(toy, monkeypatch):
    """Labelled images that must not be looked at."""

    def refuse(self, index):
        pytest.fail("a labelled image was read")

    monkeypatch.setattr(type(toy), "__getitem__", refuse)
    return toy


@pytest.fixture
def unlabelled(sets, monkeypatch):
    """Video whose validation split has no depth."""
    monkeypatch.setattr(sets.val, "tasks", ())
    return sets


@pytest.mark.parametrize("scale", [None, 0.0])
def test_no_labelled_image_is_read_and_the_last_checkpoint_is_kept(tmp_path, joint_recipe, unseen, unlabelled, scale):
    video = replace(joint_recipe.video, gradient_scale=scale, depth_lr=None)
    recipe = replace(joint_recipe, tasks={}, video=video, steps=2, validate_every=1, ema=0.0)
    outcome = train(recipe, unseen, unseen, tmp_path, unlabelled=unlabelled)
    assert outcome.step == 2
    assert math.isnan(outcome.score)
    kept, last = read_state(tmp_path / BEST)["module"], read_state(tmp_path / STATE)
    assert all(torch.equal(value, last["module"][f"network.{key}"]) for key, value in kept.items())
    assert [list(row) for row in last["log"]] == [["step", "loss"]] * 2


def test_depth_of_the_videos_validation_split_chooses_the_checkpoint(tmp_path, joint_recipe, unseen, sets, monkeypatch):
    scores = iter((3.0, 1.0, 2.0))
    monkeypatch.setattr(loop, "validate", lambda *_: {"depth": {"rmse": next(scores)}})
    video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
    recipe = replace(joint_recipe, tasks={}, video=video, steps=3, validate_every=1)
    outcome = train(recipe, unseen, unseen, tmp_path, unlabelled=sets)
    assert (outcome.step, outcome.score) == (2, 1.0)
    assert [row["depth_rmse"] for row in read_state(tmp_path / STATE)["log"]] == [3.0, 1.0, 2.0]


def test_it_is_exported_with_what_it_was_measured_on(tmp_path, joint_recipe, toy, sets):
    video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
    recipe = replace(joint_recipe, tasks={}, video=video, steps=1, validate_every=1)
    train(recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    export(recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=sets)
    card = read_card(tmp_path / "tiny")
    assert card.tasks == ("depth",)
    assert card.training.selection == "step 1, best depth on film's val, so the metrics are slightly optimistic"
    assert card.depth_align == "median"
    assert card.video.metrics["abs_rel"] >= 0
    assert set(load_folder(tmp_path / "tiny").module(torch.rand(1, 3, 64, 64))) == {"depth"}


def test_it_says_where_the_last_is_kept(tmp_path, joint_recipe, toy, unlabelled):
    video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
    recipe = replace(joint_recipe, tasks={}, video=video, steps=1, validate_every=1)
    train(recipe, toy, toy, tmp_path / "work", unlabelled=unlabelled)
    card = export(recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=unlabelled)
    assert card.training.selection == "step 1, the last"


@dataclass(frozen=True)
class GuidedParameters(NetworkParameters):
    """A depth that a network within the network guides."""

    def build(self, request):
        return Guided()


class Guided(nn.Module):
    """The guide has a BatchNorm and dropout of its own."""

    def __init__(self):
        super().__init__()
        self.guide = nn.ModuleDict({"body": nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))})
        self.guide["drop"] = nn.Dropout(0.5)
        self.body = nn.Sequential(nn.Conv2d(7, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))

    def forward(self, images):
        guide = self.guide["drop"](self.guide["body"](images))
        return {"depth": 1 + self.body(torch.cat([images, guide], 1))[:, 0].exp()}


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_frozen_guide_within_the_network_stays_to_the_bit(tmp_path, joint_recipe, toy, sets, monkeypatch, ema):
    monkeypatch.setattr(NETWORKS, "_entries", dict(NETWORKS._all()))
    NETWORKS.register("guided_toy")(GuidedParameters)
    video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
    architecture = ArchitectureRecipe("guided_toy")
    recipe = replace(joint_recipe, tasks={}, video=video, architecture=architecture, frozen=("guide",), ema=ema)
    start = build_module(recipe, len(toy.classes)).state_dict()
    train(recipe, toy, toy, tmp_path, unlabelled=sets)
    saved = read_state(tmp_path / STATE)
    last = {key.removeprefix("network."): value for key, value in saved["module"].items() if "pose" not in key}
    for state in filter(None, (last, saved["average"])):
        same = {key for key, value in state.items() if torch.equal(value, start[key])}
        assert same == {key for key in start if key.startswith("guide.")}
        assert "guide.body.1.running_var" in same
