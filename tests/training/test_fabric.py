"""Several devices: two processes of a CPU against one, and what cannot be split."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.training.loop import LOG, STATE, train
from robustbench_seg.training.place import open_place
from robustbench_seg.training.state import read_state

PLUGINS = Path(__file__).parents[1] / "plugins"
RECIPE = """
name = "split"
summary = "a toy"
licence = "Apache-2.0"
steps = 40
batch = 4
validate_every = 10
class_weights = false
[architecture]
name = "shallow"
[data]
dataset = "film"
[tasks]
semantic = 1.0
[optimiser]
decoder_lr = 1e-3
"""
"""Means over images and no BatchNorm: nothing that differs over devices."""


ADAPTATION = """
[adaptation]
dataset = "film"
batch = 4
[adaptation.discriminator]
widths = [4, 8]
"""
RECIPES = {"supervised": RECIPE, "adapted": RECIPE + ADAPTATION}

PYTHON = [sys.executable, "-m", "robustbench_seg"]
ONE, TWO = (), ("--devices", "2")


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The words of the command that trains a recipe into a folder: `command(recipe, folder, *options)`."""
    recipes = tmp_path_factory.mktemp("recipes")
    for name, text in RECIPES.items():
        (recipes / f"{name}.toml").write_text(text)
    files = (PLUGINS / "film.py", PLUGINS / "robustseg_example" / "robustseg_example" / "network.py")
    plugins = [word for file in files for word in ("--plugin", file)]
    end = [*map(str, plugins), "--device", "cpu"]
    return lambda name, folder, *options: [
        "train", str(recipes / f"{name}.toml"), "--work", str(folder), *end, *options
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(command, quietly):
    """Trains into a folder: `run(recipe, folder, *options)`, on one device in this process, for that is quicker."""

    def train_into(name, folder, *options):
        words = command(name, folder, *options)
        if "--devices" not in options:
            assert quietly(*words)[0] == 0
            return
        done = subprocess.run([*PYTHON, *words], capture_output=True, text=True, check=True)
        assert done.stdout.count("card and weights in") == 1

    return train_into


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """The folder of an uninterrupted training: `whole(recipe, *options)`."""

    @cache
    def folder_of(name, *options):
        folder = tmp_path_factory.mktemp("whole")
        run(name, folder, *options)
        return folder

    return folder_of


def _weights(folder):
    return read_state(folder / STATE)["module"]


@pytest.mark.slow
def test_two_devices_learn_as_one(whole):
    alone, shared = (_weights(whole("supervised", *options)) for options in (ONE, TWO))
    for name, weights in alone.items():
        torch.testing.assert_close(shared[name], weights, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("supervised", ONE, marks=pytest.mark.slow),
        pytest.param("adapted", ONE, marks=pytest.mark.slow),
        pytest.param("supervised", TWO, marks=pytest.mark.long),
    ],
)
def test_a_killed_training_with_workers_goes_on_as_if_nothing_had_been(name, options, whole, command, run, tmp_path):
    options_now = (*options, "--workers", "1")
    process = subprocess.Popen(
        [*PYTHON, *command(name, tmp_path, *options_now)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    while not (tmp_path / STATE).exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert read_state(tmp_path / STATE)["step"] < 40
    run(name, tmp_path, *options_now)
    assert all(torch.equal(_weights(tmp_path)[key], value) for key, value in _weights(whole(name, *options)).items())
    assert (tmp_path / LOG).read_bytes() == (whole(name, *options) / LOG).read_bytes()


@pytest.mark.slow
def test_random_numbers_are_a_function_of_the_step(recipe):
    team = open_place("cpu", 2).team
    before = torch.get_rng_state()
    drawn = []
    for step in (3, 4, 3):
        team.begin(recipe.seed, step)
        drawn.append(torch.rand(4))
    torch.set_rng_state(before)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.slow
def test_what_cannot_be_split(recipe, toy, tmp_path):
    with pytest.raises(UsageError, match="a batch of 3 has no 2 equal parts"):
        train(replace(recipe, batch=3), toy, toy, tmp_path, place=open_place("cpu", 2))
    with pytest.raises(UsageError, match="--device cuda:1 is a single one"):
        open_place("cuda:1", 2)


def test_without_fabric(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    monkeypatch.delitem(sys.modules, "robustbench_seg.training.fabric", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'robustbench-seg\[fabric\]'"):
        open_place("cpu", 2)
    assert open_place("cpu").team.part.count == 1
