from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.training.loop import BEST, LOG, STATE, train
from robustbench_seg.training.place import open_place
from robustbench_seg.training.state import read_state, write_atomically


class StopHereError(Exception):
    pass


def _stop_at(step):
    def progress(done, steps, loss):
        if done == step:
            raise StopHereError

    return progress


def _rows(folder):
    with (folder / LOG).open() as file:
        return list(csv.DictReader(file))


def _equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(("ema", "workers"), [(0.5, 0), pytest.param(0.0, 2, marks=pytest.mark.slow)])
def test_resume_is_bit_exact(tmp_path, recipe, toy, make_toy, ema, workers):
    recipe, val, place = replace(recipe, ema=ema), make_toy(3, 50), open_place(workers=workers)
    whole = train(recipe, toy, val, tmp_path / "whole")
    for step in (3, 5):
        with pytest.raises(StopHereError):
            train(recipe, toy, val, tmp_path / "cut", place=place, progress=_stop_at(step))
    cut = train(recipe, toy, val, tmp_path / "cut", place=place)
    assert _equal(whole.module.state_dict(), cut.module.state_dict())
    assert (whole.step, whole.score) == (cut.step, cut.score)
    a, b = (read_state(tmp_path / name / STATE) for name in ("whole", "cut"))
    assert _equal(a["module"], b["module"])
    assert (tmp_path / "whole" / LOG).read_bytes() == (tmp_path / "cut" / LOG).read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.slow
def test_training_learns(tmp_path, recipe, toy, make_toy):
    outcome = train(replace(recipe, steps=60, validate_every=20, batch=4), toy, make_toy(3, 50), tmp_path)
    rows = _rows(tmp_path)
    assert [row["step"] for row in rows] == ["20", "40", "60"]
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert outcome.score > 0.8
    assert float(rows[-1]["depth_delta1"]) > 0.6
    assert not outcome.module.training


def test_best_is_not_the_last_where_it_gets_worse_and_a_finished_run_trains_no_more(tmp_path, recipe, toy):
    outcome = train(recipe, toy, toy, tmp_path)
    rows = _rows(tmp_path)
    best = max(rows, key=lambda row: float(row["semantic_miou"]))
    assert outcome.step == int(best["step"])
    assert read_state(tmp_path / BEST)["step"] == outcome.step
    finished = train(recipe, toy, toy, tmp_path, progress=_stop_at(1))
    assert _equal(outcome.module.state_dict(), finished.module.state_dict())


def test_depth_first_chooses_the_lowest_error(tmp_path, recipe, toy):
    recipe = replace(recipe, tasks={"depth": 1.0})
    outcome = train(recipe, toy, toy, tmp_path)
    rows = _rows(tmp_path)
    assert outcome.score == pytest.approx(min(float(row["depth_rmse"]) for row in rows), rel=1e-5)


def test_another_recipe_is_refused(tmp_path, recipe, toy):
    train(replace(recipe, steps=2), toy, toy, tmp_path)
    with pytest.raises(InputError, match="another recipe or data set"):
        train(replace(recipe, steps=4), toy, toy, tmp_path)


def test_a_state_from_a_gpu_goes_on_on_a_cpu(tmp_path, recipe, toy):
    train(replace(recipe, steps=2), toy, toy, tmp_path)
    state = read_state(tmp_path / STATE)
    assert state["cuda_rng"] is None
    write_atomically(tmp_path / STATE, {**state, "cuda_rng": torch.zeros(16, dtype=torch.uint8)})
    again = train(replace(recipe, steps=2), toy, toy, tmp_path)
    assert again.step == state["best_step"]


def test_damaged_state(tmp_path, recipe, toy):
    (tmp_path / STATE).write_bytes(b"broken")
    with pytest.raises(InputError, match="is a text file"):
        train(recipe, toy, toy, tmp_path)


def test_divergence_is_an_error(tmp_path, recipe, toy):
    optimiser = replace(recipe.optimiser, encoder_lr=1e30, decoder_lr=1e30)
    with pytest.raises(InputError, match="lower the recipe's learning rates"):
        train(replace(recipe, optimiser=optimiser), toy, toy, tmp_path)


def test_a_network_that_takes_no_image_is_refused_before_it_trains(recipe, toy, tmp_path):
    encoder = recipe.architecture.parameters["encoder_args"] | {"output_stride": 8}
    changed = replace(recipe.architecture, parameters=recipe.architecture.parameters | {"encoder_args": encoder})
    with pytest.raises(InputError, match=r"recipe tiny: .+ leave output_stride out"):
        train(replace(recipe, architecture=changed), toy, toy, tmp_path)
