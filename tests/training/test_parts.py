"""What is frozen stays as it starts, to the bit, while the rest learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.training.loop import STATE, build_module, train
from robustbench_seg.training.parts import freeze, part_of, train_but
from robustbench_seg.training.recipe import OptimiserRecipe
from robustbench_seg.training.state import read_state

FROZEN = ("encoder", "decoders.depth")


@pytest.fixture
def frozen_recipe(recipe):
    """With a decay of weights that would move those without a gradient."""
    optimiser = OptimiserRecipe("adamw", 3e-3, 3e-3, weight_decay=0.5)
    return replace(recipe, frozen=FROZEN, steps=3, validate_every=3, optimiser=optimiser)


def is_frozen(key):
    return key.startswith(tuple(f"{path}." for path in FROZEN))


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_parameters_and_statistics_of_frozen_parts_stay_to_the_bit(tmp_path, frozen_recipe, toy, ema):
    recipe = replace(frozen_recipe, ema=ema)
    start = build_module(recipe, len(toy.classes)).state_dict()
    train(recipe, toy, toy, tmp_path)
    saved = read_state(tmp_path / STATE)
    for state in filter(None, (saved["module"], saved["average"])):
        equal = {key: torch.equal(value, start[key]) for key, value in state.items()}
        assert any(key.endswith("running_mean") and is_frozen(key) for key in equal)
        assert equal == {key: is_frozen(key) for key in equal}


def test_without_it_all_of_them_learn(tmp_path, frozen_recipe, toy):
    """The test above could not fail otherwise."""
    recipe = replace(frozen_recipe, frozen=())
    start = build_module(recipe, len(toy.classes)).state_dict()
    train(recipe, toy, toy, tmp_path)
    assert not [key for key, value in read_state(tmp_path / STATE)["module"].items() if torch.equal(value, start[key])]


def test_a_resumed_training_keeps_them_frozen(tmp_path, frozen_recipe, toy):
    class StopError(Exception):
        pass

    def interrupt(step, steps, loss):
        if step == 2:
            raise StopError

    recipe = replace(frozen_recipe, validate_every=1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe, toy, toy, whole)
    with pytest.raises(StopError):
        train(recipe, toy, toy, parts, progress=interrupt)
    train(recipe, toy, toy, parts)
    first, second = (read_state(folder / STATE)["module"] for folder in (whole, parts))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_gradient_passes_through_frozen_parts():
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)))
    freeze(network, ["1"], "frozen")
    train_but(network.train(), ["1"])
    network(torch.randn(4, 2)).sum().backward()
    assert network[0].weight.grad.abs().max() > 0
    assert network[1][0].weight.grad is None
    assert [part.training for part in network[1].modules()] == [False] * 4
    assert network.training
    assert network[0].training


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("encodr", r"^here: unknown part 'encodr'; did you mean encoder or decoders\?$"),
        ("decoders.dept", r"^here: unknown part 'decoders.dept'; did you mean decoders.depth or decoders.semantic\?$"),
        ("encoder.weight", r"^here: no part 'encoder.weight'$"),
        ("", r"^here: unknown part ''; known: encoder, decoders$"),
    ],
)
def test_an_unknown_part_is_one_line(path, message):
    decoders = nn.ModuleDict({"depth": nn.Linear(1, 1), "semantic": nn.Linear(1, 1)})
    network = nn.ModuleDict({"encoder": nn.Linear(1, 1), "decoders": decoders})
    assert part_of(network, "decoders.depth", "here") is decoders["depth"]
    with pytest.raises(InputError, match=message):
        part_of(network, path, "here")


def test_something_must_learn(recipe, toy):
    everything = replace(recipe, frozen=("encoder", "decoders", "heads"))
    with pytest.raises(InputError, match="recipe tiny: frozen: nothing is left that learns"):
        build_module(everything, len(toy.classes))
