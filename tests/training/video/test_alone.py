"""Depth learnt from video alone: there are no labelled images, and no label chooses the checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import BEST, STATE, train
from robustbench_seg.training.state import read_state


@pytest.fixture
def unseen(toy, monkeypatch):
    """Labelled images that must not be looked at."""

    def refuse(self, index):
        pytest.fail("a labelled image was read")

    monkeypatch.setattr(type(toy), "__getitem__", refuse)
    return toy


@pytest.mark.parametrize("scale", [None, 0.0])
def test_no_labelled_image_is_read_and_the_last_checkpoint_is_kept(tmp_path, joint_recipe, unseen, sets, scale):
    video = replace(joint_recipe.video, gradient_scale=scale, depth_lr=None)
    recipe = replace(joint_recipe, tasks={}, video=video, steps=2, validate_every=1, ema=0.0)
    outcome = train(recipe, unseen, unseen, tmp_path, unlabelled=sets)
    assert outcome.step == 2
    kept, last = read_state(tmp_path / BEST)["module"], read_state(tmp_path / STATE)
    assert all(torch.equal(value, last["module"][f"network.{key}"]) for key, value in kept.items())
    assert [row["step"] for row in last["log"]] == [1, 2]
    assert "depth_abs_rel" in last["log"][0]
    assert "semantic_miou" not in last["log"][0]


def test_it_is_exported_with_what_it_was_measured_on(tmp_path, joint_recipe, toy, sets):
    video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
    recipe = replace(joint_recipe, tasks={}, video=video, steps=1, validate_every=1)
    train(recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    export(recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=sets)
    card = read_card(tmp_path / "tiny")
    assert card.tasks == ("depth",)
    assert card.training.selection == "step 1, the last"
    assert card.depth_align == "median"
    assert card.video.metrics["abs_rel"] >= 0
    assert set(load_folder(tmp_path / "tiny").module(torch.rand(1, 3, 64, 64))) == {"depth"}
