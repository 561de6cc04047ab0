"""Any network that predicts depth: labelled images and frames both pass through all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.deephead import DEEP
from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import _initial_state, _prepare, build_module, train
from robustbench_seg.training.place import HERE
from robustbench_seg.training.video.photometric import depth_loss
from robustbench_seg.training.video.shared import SharedNet
from tests.models.networks.nano import ENCODER, FIVE, INSTANCES, NANO, make

EXCHANGING = [
    ("densemtl", {"exchange": "none"}),
    ("densemtl", {"exchange": "gated"}),
    ("densemtl", {"exchange": "attention"}),
    ("padnet", {}),
    ("mtinet", {}),
]
SCALES = {"densemtl": [64, 32, 16], "padnet": [64, 32], "mtinet": [64, 16, 8, 4, 2]}
"""Heights of the maps on which depth of images of 64 rows is predicted."""


def without_statistics(network):
    """The network in training, with what its images have to do with one another taken away."""
    for part in network.train().modules():
        if isinstance(part, nn.BatchNorm2d | nn.Dropout):
            part.eval()
    return network


def compare(ours, theirs):
    assert isinstance(ours, Mapping) == isinstance(theirs, Mapping)
    if isinstance(ours, Mapping):
        assert ours.keys() == theirs.keys()
        for key in ours:
            compare(ours[key], theirs[key])
    elif isinstance(ours, tuple):
        for mine, other in zip(ours, theirs, strict=True):
            compare(mine, other)
    else:
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "parameters"), EXCHANGING)
def test_each_half_is_as_it_would_be_alone(name, parameters):
    network = without_statistics(make(name, **parameters))
    images, frames = torch.rand(2, 3, 64, 64), torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        outputs, inverses = SharedNet(network, nn.Identity()).predicted(images, frames)
        compare(outputs, network(images))
        alone = network(frames)
    assert [inverse.shape[-2] for inverse in inverses] == SCALES[name]
    depths = [alone["depth"], *(level["depth"] for level in alone[DEEP])]
    for inverse in inverses:
        (depth,) = (depth for depth in depths if depth.shape[-2:] == inverse.shape[-2:])
        torch.testing.assert_close(1 / inverse[:, 0], depth, rtol=1e-4, atol=1e-4)


def test_instances_of_the_labelled_images_alone():
    network = without_statistics(make("mtinet", FIVE, instances=INSTANCES))
    images, frames = torch.rand(2, 3, 64, 64), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        outputs, _ = SharedNet(network, nn.Identity()).predicted(images, frames)
        alone = network(images)["instances"]
    assert len(outputs["instances"]) == 2
    for part in ("classes", "boxes", "centerness", "codes", "depth"):
        torch.testing.assert_close(getattr(outputs["instances"], part), getattr(alone, part), rtol=1e-4, atol=1e-4)


def test_a_network_without_intermediate_predictions_has_one_scale():
    _, inverses = SharedNet(make("mtl"), nn.Identity()).predicted(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    assert [inverse.shape for inverse in inverses] == [(1, 1, 64, 64)]


@pytest.fixture
def shared_recipe(joint_recipe):
    """Makes the recipe of a network that exchanges."""

    def made(name, parameters):
        architecture = replace(joint_recipe.architecture, name=name, parameters={**ENCODER, **NANO[name], **parameters})
        video = replace(joint_recipe.video, gradient_scale=None, depth_lr=None)
        return replace(joint_recipe, architecture=architecture, video=video)

    return made


def started(recipe, toy, sets):
    run = _prepare(recipe, toy, toy, sets, Path("unused"), HERE)
    module = _initial_state(run).module
    # The gain of cross-task attention starts at 0, where nothing flows.
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(".gain"):
                parameter.fill_(0.5)
    return run, module


def losses(module, method):
    """Those of the first step: of labels, of frames, and the whole."""
    batch = method.batch(0)
    predicted = module(batch.labelled.images, batch.unlabelled)
    before, now, after = batch.unlabelled.clean
    motions = predicted.transforms()
    depth = depth_loss(predicted.inverses, now, (before, after), motions, batch.unlabelled.intrinsics)
    labels = method.labelled.compared(predicted.outputs, batch.labelled.labels)
    return labels, depth, method.loss(lambda *_: predicted, batch)


def reached(module, loss):
    """The parameters that get a gradient from the loss."""
    module.zero_grad()
    loss.backward(retain_graph=True)
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def parts(module, path):
    names = [name for name, _ in module.named_parameters() if name.startswith(f"network.{path}")]
    assert names
    return names


@pytest.mark.parametrize(
    ("name", "parameters", "exchange"),
    [
        ("densemtl", {"exchange": "gated"}, "exchanges."),
        ("densemtl", {"exchange": "attention"}, "exchanges."),
        ("padnet", {}, "distil."),
        ("mtinet", {}, "scales.0.distil."),
    ],
)
def test_both_losses_reach_the_exchange_and_the_encoder(shared_recipe, toy, sets, name, parameters, exchange):
    run, module = started(shared_recipe(name, parameters), toy, sets)
    labels, depth, _ = losses(module, run.method)
    by_labels, by_depth = reached(module, labels), reached(module, depth)
    exchanging = {key for key in parts(module, exchange) if key.endswith("weight")}
    assert exchanging & by_labels
    assert exchanging & by_depth
    assert exchanging <= by_labels | by_depth
    encoder = {key for key in parts(module, "encoder.") if key.endswith("weight")}
    # Of a residual block that starts as the identity neither reaches the inside.
    assert encoder & by_labels == encoder & by_depth
    assert "network.encoder.body.conv1.0.weight" in by_labels


@pytest.mark.parametrize(("exchange", "meet"), [("none", False), ("gated", True), ("attention", True)])
def test_a_loss_reaches_the_other_tasks_branch_through_the_exchange_alone(shared_recipe, toy, sets, exchange, meet):
    run, module = started(shared_recipe("densemtl", {"exchange": exchange}), toy, sets)
    labels, depth, _ = losses(module, run.method)
    by_labels, by_depth = reached(module, labels), reached(module, depth)
    for task, other, own in (("depth", by_labels, by_depth), ("semantic", by_depth, by_labels)):
        first = f"network.decoders.{task}.merge.0.0.weight"
        last = f"network.decoders.{task}.merge.{len(NANO['densemtl']['widths']) - 1}.0.weight"
        assert {first, last} <= own
        assert (first in other) == meet
        # After the exchange a task is by itself.
        assert last not in other
    # The photometric loss teaches the pose network and every depth output.
    assert {"network.heads.depth.weight", "pose.head.6.weight", "pose.head.6.bias"} <= by_depth
    assert [key for key in by_depth if key.startswith("network.first.") and ".depth." in key]
    assert not [key for key in by_labels if key.startswith("pose.") or ".depth.bias" in key]


def test_the_losses_have_equal_weights(shared_recipe, toy, sets):
    run, module = started(shared_recipe("densemtl", {"exchange": "attention"}), toy, sets)
    labels, depth, whole = losses(module, run.method)
    torch.testing.assert_close(whole, labels + depth)


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_frozen_parts_stay_to_the_bit(tmp_path, shared_recipe, toy, sets, ema):
    frozen = ("encoder", "decoders.depth", "exchanges")
    recipe = replace(shared_recipe("densemtl", {"exchange": "attention"}), frozen=frozen, steps=2, ema=ema)
    start = build_module(recipe, len(toy.classes)).state_dict()
    state = train(recipe, toy, toy, tmp_path, unlabelled=sets).module.state_dict()
    same = {key for key, value in state.items() if torch.equal(value, start[key])}
    expected = {key for key in state if key.startswith(tuple(f"{path}." for path in frozen))}
    assert any(key.endswith("running_mean") for key in expected)
    assert expected <= same
    assert not [key for key in same - expected if key.endswith("weight")]


def test_what_is_exported_is_the_network_alone(tmp_path, shared_recipe, toy, sets):
    recipe = replace(shared_recipe("densemtl", {"exchange": "attention"}), steps=2)
    train(recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    export(recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=sets)
    card = read_card(tmp_path / "tiny")
    assert card.tasks == ("semantic", "depth")
    assert card.depth_align == "median"
    assert card.video.gradient_scale is None
    assert card.video.metrics["abs_rel"] >= 0
    assert load_folder(tmp_path / "tiny").module(torch.rand(1, 3, 64, 96))["depth"].shape == (1, 64, 96)


def test_a_network_that_exchanges_cannot_be_split(shared_recipe, toy, sets):
    recipe = shared_recipe("densemtl", {"exchange": "none"})
    with pytest.raises(InputError, match=r"gradient_scale: .*leave it out"):
        started(replace(recipe, video=replace(recipe.video, gradient_scale=0.5)), toy, sets)
