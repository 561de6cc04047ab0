"""A recipe of several stages: what each leaves to the next, and what it is after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.card import read_card
from robustbench_seg.training.grid import counted
from robustbench_seg.training.loop import BEST, LOG, STATE
from robustbench_seg.training.recipe import read_recipe
from robustbench_seg.training.stages.frames import FRAMES, read_frames
from robustbench_seg.training.stages.registry import all_steps, stages_of
from robustbench_seg.training.state import read_state

PLUGINS = Path(__file__).parents[2] / "plugins"
RECIPE = """
name = "staged"
summary = "a toy"
licence = "Apache-2.0"
steps = 40
batch = 1
validate_every = 10
[architecture]
name = "infinite"
[data]
dataset = "blocks"
[tasks]
[video]
dataset = "blocks"
batch = 2
[video.pose]
name = "mean_motion"
[optimiser]
decoder_lr = 1e-3
"""
TRAIN, DROP = '[[stages]]\nname = "train"\n', '[[stages]]\nname = "drop_below_ground"\n'
RANDOM = f"{DROP}parameters = {{ random = true }}\n"
RECIPES = {
    "two": RECIPE + TRAIN + DROP + TRAIN,
    "random": RECIPE + TRAIN + RANDOM + TRAIN,
    "single": RECIPE,
    "sharper": RECIPE.replace("[tasks]", "[architecture.parameters]\ntimes = 2.0\n[tasks]"),
}
FIRST, CHOICE, LAST = "1-train", "2-drop_below_ground", "3-train"


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The words of the command that trains a recipe into a folder: `command(recipe, folder, *options)`."""
    recipes = tmp_path_factory.mktemp("recipes")
    for name, text in RECIPES.items():
        (recipes / f"{name}.toml").write_text(text)
    files = (PLUGINS / "holes.py", PLUGINS / "robustseg_example" / "robustseg_example" / "pose_network.py")
    plugins = [word for file in files for word in ("--plugin", str(file))]
    return lambda name, folder, *options: [
        "train", str(recipes / f"{name}.toml"), "--work", str(folder), *plugins, "--device", "cpu", *options
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(command, quietly, tmp_path_factory):
    """The folder of an uninterrupted training: `whole(recipe)`."""

    @cache
    def folder_of(name):
        folder = tmp_path_factory.mktemp(name)
        code, err = quietly(*command(name, folder))
        assert code == 0, err
        return folder

    return folder_of


def _weights(folder):
    return read_state(folder / STATE)["module"]


def _same(first, second):
    return all(torch.equal(value, second[key]) for key, value in first.items())


def test_frames_with_holes_are_dropped_between_two_trainings(whole):
    folder = whole("two")
    assert read_frames(folder / CHOICE / FRAMES) == ("train-0", "train-2", "train-4")
    assert sorted(path.name for path in folder.iterdir()) == [FIRST, CHOICE, LAST, "staged"]
    assert not _same(_weights(folder / FIRST), _weights(folder / LAST))


def test_the_first_stage_is_a_training_alone(whole):
    assert _same(_weights(whole("single")), _weights(whole("two") / FIRST))


def test_the_control_drops_as_many(whole):
    left = read_frames(whole("random") / CHOICE / FRAMES)
    assert len(left) == 3
    assert left != read_frames(whole("two") / CHOICE / FRAMES)
    assert not _same(_weights(whole("random") / LAST), _weights(whole("two") / LAST))


def test_the_list_is_kept_beside_the_card_and_named_in_it(whole):
    folder = whole("two")
    card = read_card(folder / "staged")
    assert (folder / "staged" / card.video.frames).read_bytes() == (folder / CHOICE / FRAMES).read_bytes()
    assert card.training.stages == ("train", "frames below ground dropped: 3 of 6 are left", "train")
    assert "best depth on blocks's val" in card.training.selection
    assert read_card(whole("random") / "staged").training.stages[1] == "random frames dropped: 3 of 6 are left"
    single = read_card(whole("single") / "staged")
    assert (single.video.frames, single.training.stages) == (None, None)


def test_given_again_nothing_is_done_again(whole, command, quietly):
    folder = whole("two")
    files = [folder / FIRST / BEST, folder / CHOICE / FRAMES, folder / LAST / BEST]
    before = [file.stat().st_mtime_ns for file in files]
    assert quietly(*command("two", folder))[0] == 0
    assert [file.stat().st_mtime_ns for file in files] == before


def test_a_list_of_another_training_is_made_anew(whole, command, quietly, tmp_path):
    """What is found of another recipe is not taken for one's own."""
    (tmp_path / CHOICE).mkdir(parents=True)
    (tmp_path / CHOICE / FRAMES).write_text("# another\ntrain-1\n")
    assert quietly(*command("two", tmp_path))[0] == 0
    assert read_frames(tmp_path / CHOICE / FRAMES) == ("train-0", "train-2", "train-4")


@pytest.mark.slow
@pytest.mark.parametrize("stage", [FIRST, LAST])
def test_killed_within_a_stage_it_goes_on_to_the_same_end(stage, whole, command, quietly, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "robustbench_seg", *command("two", tmp_path)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / stage / STATE).exists() and process.poll() is None:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert read_state(tmp_path / stage / STATE)["step"] < 40
    assert quietly(*command("two", tmp_path))[0] == 0
    for part in (FIRST, LAST):
        assert _same(_weights(tmp_path / part), _weights(whole("two") / part))
        assert (tmp_path / part / LOG).read_bytes() == (whole("two") / part / LOG).read_bytes()
    assert read_frames(tmp_path / "staged" / FRAMES) == read_frames(whole("two") / "staged" / FRAMES)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (TRAIN + '[[stages]]\nname = "drop"\n' + TRAIN, r"stages\[1\]: unknown stage 'drop'; known: train, drop_below"),
        (TRAIN + DROP + "parameters = { pixel = 3 }\n" + TRAIN, r"stages\[1\]: unknown key 'pixel'"),
        (TRAIN + DROP + "parameters = { camera_height = 0 }\n" + TRAIN, "camera_height: must be at least 0.01"),
        (TRAIN + DROP, "the first and the last one must be train"),
        (DROP + TRAIN, "the first and the last one must be train"),
    ],
)
def test_stages_that_cannot_be(tmp_path, stages, message):
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE + stages)
    with pytest.raises(InputError, match=message):
        stages_of(read_recipe(file))


def test_stages_without_video(tmp_path, recipe_file):
    recipe_file.write_text(recipe_file.read_text() + TRAIN)
    with pytest.raises(InputError, match=r"stages: they choose the frames of \[video\]; add it"):
        read_recipe(recipe_file)


def test_several_devices(command, quietly, tmp_path):
    code, err = quietly(*command("two", tmp_path, "--devices", "2"))
    assert (code, "a recipe with stages runs on one device" in err) == (2, True)


def test_progress_counts_the_steps_of_all_trainings(tmp_path):
    (tmp_path / "two.toml").write_text(RECIPES["two"])
    assert all_steps(read_recipe(tmp_path / "two.toml")) == 80
    seen = []
    counted(lambda *told: seen.append(told), 40, 80)(3, 40, 0.5)
    assert seen == [(43, 80, 0.5)]
    assert counted(None, 0, 1) is None
