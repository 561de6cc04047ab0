"""`robustseg train`, and what can be done with the folder that it writes."""

from pathlib import Path

import pytest

from robustbench_seg.models.catalogue.card import read_card

FILM = Path(__file__).parents[1] / "plugins" / "film.py"
RECIPE = """
name = "filmed"
summary = "a toy"
licence = "Apache-2.0"
steps = 2
batch = 2
validate_every = 2
[architecture]
name = "klingner"
[architecture.parameters]
encoder = "resnet18"
encoder_args = { channels = [8, 8, 16, 16], layers = [1, 1, 1, 1], stem_type = "deep", stem_width = 8 }
widths = [16, 16, 8, 8]
[data]
dataset = "film"
[tasks]
semantic = 1.0
[video]
dataset = "film"
batch = 2
gradient_scale = 0.1
depth_lr = 1e-3
[video.pose.parameters]
encoder_args = { channels = [8, 8, 16, 16], layers = [1, 1, 1, 1], stem_type = "deep", stem_width = 8 }
width = 16
"""


@pytest.fixture
def trained(robustseg, tmp_path):
    """A folder that `train` wrote, with another seed and length than the recipe's."""
    recipe = tmp_path / "filmed.toml"
    recipe.write_text(RECIPE)
    out = tmp_path / "models" / "filmed-seed3-1"
    code, text, _ = robustseg(
        "train", recipe, "--seed", 3, "--steps", 1, "--work", tmp_path / "work", "-o", out, "--plugin", FILM
    )
    assert code == 0
    assert "depth on film: " in text
    return out


def test_seed_and_steps_replace_the_recipes(trained):
    card = read_card(trained)
    assert (card.name, card.training.seed, card.training.steps) == ("filmed-seed3-1", 3, 1)


@pytest.mark.slow
def test_a_trained_folder_is_a_model(trained, robustseg, tmp_path):
    run = tmp_path / "run"
    code, _, _ = robustseg("evaluate", "-m", trained, "-d", "film", "-a", "fgsm", "-e", 1, "-o", run, "--plugin", FILM)
    assert code == 4, "one step gives no clean metric to believe"
    summary = (run / "summary.csv").read_text()
    assert "filmed-seed3-1,film,fgsm,semantic" in summary
    assert "filmed-seed3-1,film,clean,,,0,float,depth,abs_rel" in summary
    code, text, _ = robustseg("check", trained)
    assert code == 4
    assert "filmed-seed3" in text


def test_a_folder_without_a_model(robustseg, tmp_path):
    code, _, error = robustseg("evaluate", "-m", tmp_path / "nothing", "-d", "film", "--plugin", FILM)
    assert code == 3
    assert "card.toml: no such file" in error
    assert error.count("\n") == 1


def test_a_folder_for_video_that_is_not_there(robustseg, tmp_path):
    recipe = tmp_path / "filmed.toml"
    recipe.write_text(RECIPE.partition("[video]")[0])
    code, _, error = robustseg("train", recipe, "--video", tmp_path, "--work", tmp_path / "work", "--plugin", FILM)
    assert code == 2
    assert "has no [video] and no [adaptation]" in error


def test_adaptation_states_the_metrics_on_its_target(robustseg, tmp_path):
    recipe, out = tmp_path / "filmed.toml", tmp_path / "filmed"
    target = '[adaptation]\ndataset = "film"\nbatch = 1\n[adaptation.discriminator]\nwidths = [4, 8]\n'
    recipe.write_text(RECIPE.partition("[video]")[0] + target)
    code, text, _ = robustseg("train", recipe, "--work", tmp_path / "work", "-o", out, "--plugin", FILM)
    assert code == 0
    assert "  semantic on film: miou " in text
    assert read_card(out).adaptation.dataset == "film"


def test_a_seed_below_zero(robustseg, tmp_path):
    code, _, error = robustseg("train", tmp_path / "filmed.toml", "--seed", -1)
    assert code == 2
    assert "-1" in error
