"""A guided depth network learns from video beside its frozen guide, and is one model with one card."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.card import WEIGHTS, load_folder, read_card
from robustbench_seg.models.catalogue.weights import read_safetensors
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import STATE, build_module, train
from robustbench_seg.training.recipe import ArchitectureRecipe, InitRecipe
from robustbench_seg.training.state import read_state
from tests.models.networks.test_depthnet import FPN, GUIDE, NANO


@pytest.fixture
def guide(tmp_path, recipe, toy):
    """The folder of a semantic network whose BatchNorm statistics are those of its training."""
    semantic = replace(
        recipe, tasks={"semantic": 1.0}, architecture=ArchitectureRecipe("fpn", FPN), steps=1, validate_every=1, ema=0.0
    )
    train(semantic, toy, toy, tmp_path / "semantic")
    export(semantic, toy, tmp_path / "semantic", tmp_path / "pyramid")
    return tmp_path / "pyramid"


@pytest.fixture
def guided_recipe(joint_recipe, guide):
    """Depth from video alone, guided by it."""
    video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
    changes = {
        "tasks": {},
        "video": video,
        "ema": 0.0,
        "steps": 2,
        "validate_every": 2,
        "init": {"guide": InitRecipe(str(guide), ".")},
        "frozen": ("guide",),
        "untrained": ("semantic",),
    }

    def made(name):
        architecture = ArchitectureRecipe(name, {**NANO[name], "guide": GUIDE}, "none")
        return replace(joint_recipe, architecture=architecture, **changes)

    return made


@pytest.mark.parametrize("name", NANO)
def test_the_frozen_guide_stays_as_it_was_trained_and_the_rest_learns(tmp_path, guided_recipe, guide, toy, sets, name):
    recipe = guided_recipe(name)
    start = build_module(recipe, len(toy.classes)).state_dict()
    train(recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    state, weights = read_state(tmp_path / "work" / STATE)["module"], read_safetensors(guide / WEIGHTS)
    kept = {key.removeprefix("network.guide."): v for key, v in state.items() if key.startswith("network.guide.")}
    assert any(key.endswith("running_mean") for key in kept)
    assert kept.keys() == weights.keys()
    assert all(torch.equal(value, weights[key].to(value.dtype)) for key, value in kept.items())
    # The biases before a normalisation have no effect.
    still = [key for key, v in start.items() if key.endswith("weight") and torch.equal(v, state[f"network.{key}"])]
    assert {key.partition(".")[0] for key in still} <= {"guide"}
    assert not torch.equal(start["guidance.0.log_sigma"], state["network.guidance.0.log_sigma"])


@pytest.mark.parametrize("name", NANO)
def test_it_is_one_model_whose_card_nests_the_guide(tmp_path, guided_recipe, guide, toy, sets, name):
    recipe = guided_recipe(name)
    train(recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    export(recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=sets)
    card = read_card(tmp_path / "tiny")
    assert card.architecture.parameters["guide"]["parameters"]["width"] == FPN["width"]
    assert card.tasks == ("semantic", "depth")
    assert card.metrics["semantic"] == read_card(guide).metrics["semantic"]
    assert card.training.init == f"guide from {guide}"
    model = load_folder(tmp_path / "tiny").module
    images = torch.rand(1, 3, 64, 96)
    outputs = model(images)
    assert outputs["depth"].shape == (1, 64, 96)
    torch.testing.assert_close(outputs["semantic"], load_folder(guide).module(images)["semantic"])


def test_the_whole_model_must_fit(tmp_path, guided_recipe, toy, sets):
    recipe = guided_recipe("monodepth2")
    other = {**recipe.architecture.parameters, "guide": {**GUIDE, "parameters": {**FPN, "width": 12}}}
    wrong = replace(recipe, architecture=replace(recipe.architecture, parameters=other))
    with pytest.raises(InputError, match=r"init: guide: .*weights.safetensors: weights do not fit the network"):
        train(wrong, toy, toy, tmp_path / "work", unlabelled=sets)
