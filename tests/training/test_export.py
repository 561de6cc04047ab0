from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.models.catalogue.card import WEIGHTS, load_folder, read_card
from robustbench_seg.registry import Entry
from robustbench_seg.training.batches import Source
from robustbench_seg.training.curves import write_curves
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import LOG, train
from robustbench_seg.training.run import open_data, run_recipe
from robustbench_seg.training.validate import Check, validate


def test_the_card_measures_the_rounded_weights(tmp_path, recipe, toy, make_toy):
    val = make_toy(3, 50)
    train(recipe, toy, val, tmp_path / "run")
    folder = tmp_path / "models" / "tiny"
    card = export(recipe, val, tmp_path / "run", folder)
    model = load_folder(folder)
    measured = validate(model.module, Check(Source(val, ("semantic", "depth"))), torch.device("cpu"))
    assert card == read_card(folder)
    assert card.metrics["semantic"]["miou"] == pytest.approx(measured["semantic"]["miou"], abs=1e-4)
    assert card.metrics["depth"]["delta1"] == pytest.approx(measured["depth"]["delta1"], abs=1e-4)
    assert card.sha256 == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert model.classes == toy.classes
    assert card.evaluation.images == 3
    assert card.training.terms == "made up"
    assert (folder / LOG).read_bytes() == (tmp_path / "run" / LOG).read_bytes()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def registered(monkeypatch, make_toy):
    """The toy set under the name `toy`, in a registry that is put back afterwards."""
    starts = {"train": 0, "val": 50}

    def opener(split, size=(64, 64)):
        return make_toy(4, starts[split], size)

    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._all()))
    DATASETS.add(Entry("tiny", "test", "", lambda: opener))


def test_run_recipe(tmp_path, recipe, registered):
    card = run_recipe(recipe, tmp_path / "run", tmp_path / "tiny")
    assert load_folder(tmp_path / "tiny").sha256 == card.sha256


def test_data_is_made_at_the_recipes_size(recipe, registered):
    data = open_data(replace(recipe.data, size=(32, 96)), "val")
    assert data[0].image.shape == (32, 96, 3)
    assert open_data(recipe.data, "val")[0].image.shape == (64, 64, 3)


def test_curves_of_a_metric_without_data(tmp_path):
    (tmp_path / "log.csv").write_text("step,loss,semantic_miou,depth_rmse\n2,1.5,0.3,nan\n4,1.2,0.4,nan\n")
    write_curves(tmp_path / "log.csv", tmp_path / "curves.png", "net")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
