"""The networks of the shipped recipes."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest
import torch

from robustbench_seg.training.loop import build_module
from robustbench_seg.training.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[3] / "models").glob("*/recipe.toml"))
FRESH = tomllib.loads(Path(__file__).with_name("fresh.toml").read_text(encoding="utf-8"))


PAPER = {repr((recipe.architecture, recipe.outputs)): recipe for recipe in (read_recipe(p, "paper") for p in RECIPES)}
"""One recipe for each network at the papers' scale."""


@pytest.mark.slow
@pytest.mark.parametrize("recipe", PAPER.values(), ids=lambda recipe: recipe.name)
def test_networks_at_paper_scale(recipe):
    with torch.device("meta"):
        count = sum(p.numel() for p in build_module(recipe, 17).parameters())
    assert count < 200e6


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_shipped_recipe(path):
    """What a recipe trains starts from the same network and the same draws as when its weights were made."""
    recipe = read_recipe(path)
    assert recipe.name == path.parent.name
    # Auxiliary tasks of the network and auxiliary losses of the recipe are the same ones.
    assert set(recipe.architecture.parameters.get("auxiliary", ())) == set(recipe.auxiliary)
    module = build_module(recipe, 19)
    assert sum(p.numel() for p in module.parameters()) < 3e6
    state = module.state_dict()
    names = "".join(f"{key} {tuple(value.shape)}\n" for key, value in state.items())
    total = sum(float(value.double().abs().sum()) for value in state.values())
    fresh = FRESH[path.parent.name]
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == fresh["names"]
    assert total == pytest.approx(fresh["total"], rel=1e-6)
