"""The networks of the shipped recipes."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robustbench_seg.training.loop import build_module
from robustbench_seg.training.recipe import Recipe, read_recipe

LARGEST = {"nano": 3e6, "paper": 110e6}
RECIPES = sorted((Path(__file__).parents[3] / "models").glob("*/recipe.toml"))
FRESH = tomllib.loads(Path(__file__).with_name("fresh.toml").read_text(encoding="utf-8"))
every_recipe = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)


def untouched(path: Path, scale: str = "nano") -> Recipe:
    """The recipe without the encoder's initial weights, which are another package's."""
    recipe = read_recipe(path, scale)
    return replace(recipe, architecture=replace(recipe.architecture, init=""))


@every_recipe
@pytest.mark.parametrize("scale", ["nano", "paper"])
def test_shipped_recipes_build(path, scale):
    recipe = untouched(path, scale)
    assert recipe.name == path.parent.name
    # Auxiliary tasks of the network and auxiliary losses of the recipe are the same ones.
    assert set(recipe.architecture.parameters.get("auxiliary", ())) == set(recipe.auxiliary)
    with torch.device("meta"):
        count = sum(p.numel() for p in build_module(recipe, 17).parameters())
    assert count < LARGEST[scale]


@every_recipe
def test_fresh_weights_are_those_of_before(path):
    """What a recipe trains starts from the same network and the same draws as when its weights were made."""
    state = build_module(untouched(path), 19).state_dict()
    names = "".join(f"{key} {tuple(value.shape)}\n" for key, value in state.items())
    total = sum(float(value.double().abs().sum()) for value in state.values())
    found = FRESH[path.parent.name]
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == found["names"]
    assert total == pytest.approx(found["total"], rel=1e-6)
