from __future__ import annotations

import pytest

from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.training.recipe import read_recipe, varied


def test_paper_scale_overrides(recipe_file):
    nano, paper = read_recipe(recipe_file), read_recipe(recipe_file, "paper")
    assert (nano.steps, paper.steps) == (6, 100)
    assert paper.crop == (192, 640)
    assert paper.architecture.name == "klingner"
    assert paper.architecture.parameters == {"encoder": "resnet18"}
    assert paper.optimiser.name == "adam"
    assert paper.optimiser.encoder_lr == nano.optimiser.encoder_lr
    assert paper.tasks == nano.tasks


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 6", "", "missing key 'steps'"),
        ("steps = 6", "steps = 0", "at least 1"),
        ("steps = 6", "steps = 6.5", "steps: must be"),
        ("steps = 6", "stepps = 6", "did you mean steps"),
        ('name = "tiny"', "name = ", "not valid TOML"),
        ("semantic = 1.0\ndepth = 0.5", "", "tasks: name at least one"),
        ("semantic = 1.0", 'semantic = "1"', r"tasks\.semantic"),
        ("scale = [0.8, 1.25]", "scale = [0.8]", "must have 2 entries"),
        ("scale = [0.8, 1.25]", "scale = [0.0, 1.25]", "scale"),
        ("scale = [0.8, 1.25]", "flip = 2.0", "flip"),
        ("ema = 0.5", "ema = 1.0", "ema"),
        ("[optimiser]", '[optimiser]\nname = "lion"', "one of adam, adamw, sgd"),
        ("[augment]", "[augments]", "did you mean augment"),
        ("batch = 2", "batch = 2\ncrop = [64]", "crop: must have 2 entries"),
        ("batch = 2", 'batch = 2\nuntrained = ["depth"]', "untrained: 'depth' is learnt or named before; remove it"),
        ("batch = 2", 'batch = 2\nuntrained = ["edges", "edges"]', "untrained: 'edges' is learnt or named before"),
        ('dataset = "tiny"', 'dataset = "tiny"\nshare = 0.0', "share: must be from 1e-06 to 1"),
    ],
)
def test_bad_recipe(recipe_file, old, new, message):
    text = recipe_file.read_text()
    assert old in text
    recipe_file.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_recipe(recipe_file)
    assert "\n" not in str(caught.value)
    assert str(recipe_file) in str(caught.value)


def test_scales(recipe_file):
    with pytest.raises(UsageError, match="nano or paper"):
        read_recipe(recipe_file, "large")
    recipe_file.write_text(recipe_file.read_text().partition("[paper]")[0])
    with pytest.raises(RobustsegError, match=r"no \[paper\] table"):
        read_recipe(recipe_file, "paper")


def test_base(recipe_file):
    other = recipe_file.parent / "other.toml"
    other.write_text('base = "recipe.toml"\nname = "other"\n[optimiser]\nencoder_lr = 1.0\n[paper]\nsteps = 7\n')
    nano, paper, base = read_recipe(other), read_recipe(other, "paper"), read_recipe(recipe_file)
    assert (nano.name, nano.optimiser.encoder_lr, nano.optimiser.decoder_lr) == ("other", 1.0, 3e-3)
    assert nano.steps == base.steps
    assert (paper.steps, paper.crop) == (7, (192, 640))


@pytest.mark.parametrize("base", ['"loop.toml"', "3"])
def test_bad_base(recipe_file, base):
    (recipe_file.parent / "loop.toml").write_text('base = "recipe.toml"\n')
    recipe_file.write_text(f"base = {base}\n" + recipe_file.read_text())
    with pytest.raises(InputError, match="base: must be the path of another recipe"):
        read_recipe(recipe_file)


VIDEO = '[video]\ndataset = "street-b"\nbatch = 2\ngradient_scale = 0.1\ndepth_lr = 1e-3\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gradient_scale = 0.1", "gradient_scale = 1.1", "gradient_scale: must be from 0 to 1"),
        ("batch = 2", "batch = 0", "batch: must be at least 1"),
        ("batch = 2", "batch = 2\nsize = [64]", "size"),
        ("batch = 2", "", "missing key 'batch'"),
        ("gradient_scale = 0.1", "", "depth_lr: without gradient_scale depth has no decoder for itself"),
        ("[video]", "[video]\nposes = 1", "did you mean pose"),
        ("", "", "depth is learnt from labels or from"),
    ],
)
def test_bad_video(recipe_file, old, new, message):
    text = recipe_file.read_text()
    recipe_file.write_text(text.replace("[optimiser]", VIDEO.replace(old, new) + "[optimiser]", 1))
    with pytest.raises(InputError, match=message):
        read_recipe(recipe_file)


ADAPTATION = '[adaptation]\ndataset = "street-b"\nbatch = 2\n'


def test_adaptation_as_in_the_paper(recipe_file):
    recipe_file.write_text(recipe_file.read_text().replace("[optimiser]", ADAPTATION + "[optimiser]", 1))
    recipe = read_recipe(recipe_file)
    target = recipe.adaptation
    assert (recipe.unlabelled, target.dataset, target.batch, target.weight) == (target, "street-b", 2, 5e-3)
    judges = target.discriminator
    assert (judges.widths, judges.lr, judges.betas) == ((64, 128, 256, 512), 1e-4, (0.9, 0.99))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch = 2", "", "missing key 'batch'"),
        ("batch = 2", "batch = 2\nweight = -1.0", "weight: must be"),
        ("batch = 2", "batch = 2\n[adaptation.discriminator]\nwidths = [0]", "widths"),
        ("[adaptation]", "[adaptations]", "did you mean adaptation"),
        ("[adaptation]", VIDEO + "[adaptation]", r"remove \[video\] or \[adaptation\]"),
    ],
)
def test_bad_adaptation(recipe_file, old, new, message):
    text = recipe_file.read_text().replace("depth = 0.5\n", "")
    recipe_file.write_text(text.replace("[optimiser]", ADAPTATION.replace(old, new) + "[optimiser]", 1))
    with pytest.raises(InputError, match=message):
        read_recipe(recipe_file)


def test_another_seed_or_length_is_in_the_name(recipe_file):
    recipe = read_recipe(recipe_file)
    assert varied(recipe) == varied(recipe, 0, 6) == recipe
    changed = varied(recipe, 3, 9)
    assert (changed.name, changed.seed, changed.steps) == ("tiny-seed3-9", 3, 9)
