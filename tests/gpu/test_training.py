"""A short training on the device, by its public function."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.training.loop import train
from robustbench_seg.training.place import open_place
from robustbench_seg.training.recipe import read_recipe
from tests.training.conftest import RECIPE, Toy

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_is_trained(device, tmp_path, precision):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    losses = []
    outcome = train(
        read_recipe(path),
        Toy(),
        Toy(4, 100),
        tmp_path / "work",
        place=open_place(device, precision=precision),
        progress=lambda step, steps, loss: losses.append(loss),
    )
    assert losses
    assert all(map(math.isfinite, losses))
    assert {parameter.device.type for parameter in outcome.module.parameters()} == {device}
    with torch.no_grad():
        outputs = outcome.module(torch.rand(1, 3, 64, 64, device=device))
    assert all(output.isfinite().all() for output in outputs.values())
