"""What a recipe's `[init]` takes from a trained model, part by part."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.catalogue.card import WEIGHTS, read_card
from robustbench_seg.models.catalogue.weights import read_safetensors
from robustbench_seg.training.export import export
from robustbench_seg.training.init import initialise
from robustbench_seg.training.loop import build_module, train
from robustbench_seg.training.recipe import InitRecipe, read_recipe


@pytest.fixture
def folder(tmp_path, recipe, toy):
    """What `robustseg train` writes of the recipe with another seed."""
    other = replace(recipe, seed=5, steps=1, validate_every=1, ema=0.0)
    train(other, toy, toy, tmp_path / "work")
    export(other, toy, tmp_path / "work", tmp_path / "other")
    return tmp_path / "other"


def begun(recipe, toy, **init):
    """The state that a training of the recipe with this `[init]` begins with, and that without."""
    table = {path.replace("__", "."): source for path, source in init.items()}
    fresh, module = (build_module(recipe, len(toy.classes)) for _ in range(2))
    initialise(module, replace(recipe, init=table))
    return module.state_dict(), fresh.state_dict()


def test_parts_are_the_models_and_the_rest_is_fresh(folder, recipe, toy):
    source = InitRecipe(str(folder))
    state, fresh = begun(recipe, toy, encoder=source, decoders__depth=source)
    weights = read_safetensors(folder / WEIGHTS)
    taken = {key for key in state if key.startswith(("encoder.", "decoders.depth."))}
    assert "encoder.body.bn1.running_var" in taken
    for key, value in state.items():
        expected = weights[key].to(value.dtype) if key in taken else fresh[key]
        assert torch.equal(value, expected), key
    assert not torch.equal(state["encoder.body.conv1.0.weight"], fresh["encoder.body.conv1.0.weight"])


def test_a_part_may_start_from_another_one(folder, recipe, toy):
    source = InitRecipe(str(folder), "decoders.depth")
    state, _ = begun(recipe, toy, decoders__semantic=source)
    weights = read_safetensors(folder / WEIGHTS)
    key = "merge.0.0.weight"
    assert torch.equal(state[f"decoders.semantic.{key}"], weights[f"decoders.depth.{key}"].float())


def test_the_later_of_two_that_overlap_holds(folder, recipe, toy):
    whole, stem = InitRecipe(str(folder)), InitRecipe(str(folder), "decoders.depth.merge")
    state, _ = begun(recipe, toy, decoders=whole, decoders__semantic__merge=stem)
    weights = read_safetensors(folder / WEIGHTS)
    assert torch.equal(state["decoders.semantic.merge.0.0.weight"], weights["decoders.depth.merge.0.0.weight"].float())
    assert torch.equal(
        state["decoders.semantic.reduce.0.0.weight"], weights["decoders.semantic.reduce.0.0.weight"].float()
    )


def test_a_recipe_says_it_in_a_table(tmp_path, folder, recipe_file, toy):
    text = f'[init]\n"decoders.depth" = {{ from = "{folder}" }}\nencoder = {{ from = "{folder}" }}\n[optimiser]'
    recipe_file.write_text(recipe_file.read_text().replace("[optimiser]", text, 1))
    recipe = replace(read_recipe(recipe_file), frozen=("encoder",), steps=1, validate_every=1, ema=0.0)
    assert recipe.init == {path: InitRecipe(str(folder)) for path in ("decoders.depth", "encoder")}
    state = train(recipe, toy, toy, tmp_path / "more").module.state_dict()
    weights = read_safetensors(folder / WEIGHTS)
    frozen = [key for key in state if key.startswith("encoder.") and state[key].is_floating_point()]
    assert [key for key in frozen if torch.equal(state[key], weights[key].float())] == frozen
    card = export(recipe, toy, tmp_path / "more", tmp_path / "tiny")
    assert card.training.init == f"decoders.depth from {folder}, encoder from {folder}"
    assert card.training.terms == "made up"


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("encodr", "FOLDER", r"recipe tiny: init: unknown part 'encodr'; did you mean encoder"),
        ("encoder", "street-singel", r"unknown model 'street-singel'; did you mean street-single.*, or give a folder"),
        ("encoder", "street-uninet", r"init: encoder: .*weights.safetensors: encoder: weights do not fit the network"),
        ("encoder", "no/where", r"no/where/card.toml: no such file"),
        ("heads.depth", "street-single", r"no part 'heads.depth'; submodule may name another, of decoders, encoder"),
        ("encoder", "no-such-package:w.pth", "pip install --no-deps no-such-package"),
    ],
)
def test_what_does_not_fit_is_one_line(recipe, toy, folder, path, source, message):
    with pytest.raises((InputError, UsageError), match=message) as caught:
        begun(recipe, toy, **{path.replace(".", "__"): InitRecipe(source.replace("FOLDER", str(folder)))})
    assert "\n" not in str(caught.value)


def test_shapes_are_compared(folder, recipe, toy):
    source = InitRecipe(str(folder), "heads.depth")
    with pytest.raises(InputError, match=r"2 of another shape \(conv.weight \(1, 8, 3, 3\) for \(3, 8, 3, 3\)"):
        begun(recipe, toy, heads__semantic=source)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a weights file was executed",))


def test_no_file_is_executed(tmp_path, recipe, toy, folder):
    torch.save({"weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="refused, it holds _pytest"):
        begun(recipe, toy, encoder=InitRecipe(str(tmp_path / "evil.pth")))
    shutil.copyfile(tmp_path / "evil.pth", folder / WEIGHTS)
    with pytest.raises(InputError, match="fetch the file again"):
        begun(recipe, toy, encoder=InitRecipe(str(folder)))


def test_other_initial_weights_are_another_training(tmp_path, recipe, toy, folder):
    """Of the same name: their digest is part of what a training is."""
    changed = replace(recipe, init={"encoder": InitRecipe(str(folder))}, steps=1, validate_every=1)
    train(changed, toy, toy, tmp_path / "again")
    before = read_card(folder).sha256
    another = replace(recipe, seed=6, steps=1, validate_every=1, ema=0.0)
    train(another, toy, toy, tmp_path / "another")
    export(another, toy, tmp_path / "another", folder)
    assert read_card(folder).sha256 != before
    with pytest.raises(InputError, match="made by another recipe"):
        train(changed, toy, toy, tmp_path / "again")
