"""Optimisers and schedules, as the recipe has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from robustbench_seg.training.loop import build_module, train
from robustbench_seg.training.optimiser import make_optimiser
from robustbench_seg.training.recipe import OptimiserRecipe, ScheduleRecipe
from robustbench_seg.training.schedule import factor


def test_sgd_and_adam_take_what_is_theirs():
    module = nn.Linear(2, 1)
    sgd = make_optimiser(module, [], OptimiserRecipe("sgd", momentum=0.8, weight_decay=5e-4))
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.8, 5e-4)
    adam = make_optimiser(module, [], OptimiserRecipe("adam", betas=(0.9, 0.98)))
    assert adam.defaults["betas"] == (0.9, 0.98)


@pytest.mark.parametrize(("step", "expected"), [(0, 1.0), (29, 1.0), (30, 0.5), (60, 0.25)])
def test_steps_multiply_by_the_decay(step, expected):
    assert factor(ScheduleRecipe("step", at=(0.5, 1.0), decay=0.5), step, 60) == expected


def test_a_gradient_is_clipped_to_its_norm(tmp_path, recipe, toy, make_toy):
    """With SGD, without momentum and at a constant rate, one step is the gradient times the rate."""
    plain = OptimiserRecipe("sgd", 1.0, 1.0, weight_decay=0.0, momentum=0.0, clip=1e-3)
    one = replace(recipe, steps=1, validate_every=1, ema=0.0, optimiser=plain, schedule=ScheduleRecipe("constant"))
    trained = train(one, toy, make_toy(), tmp_path).module
    before = dict(build_module(one, len(toy.classes)).named_parameters())
    moved = torch.cat([(after - before[name]).flatten() for name, after in trained.named_parameters()])
    torch.testing.assert_close(moved.detach().norm(), torch.tensor(1e-3), rtol=1e-2, atol=1e-6)
