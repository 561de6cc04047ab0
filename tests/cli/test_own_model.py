"""Plain PyTorch files that know nothing of robustseg, evaluated by the commands of the README."""

import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from robustbench_seg.street.dataset import Street

README = Path(__file__).parents[2] / "README.md"
CAMVID = os.environ.get("ROBUSTSEG_CAMVID", "")

MYNET = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        y = torch.relu(self.conv(x))
        y += x          # overwrites what the ReLU saved, as many public networks do
        return y

def build():
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=4, padding=2), Block(8), nn.Conv2d(8, 11, 1))
"""
TWOTASK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.seg = nn.Conv2d(8, 19, 1)
        self.disp = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        y = torch.relu(self.trunk(x))
        return {"seg": self.seg(y), "disp": torch.sigmoid(self.disp(y)) + 0.01}

def build():
    return Net()
"""

DIVISIBLE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 19, 1)

    def forward(self, x):
        half = nn.functional.avg_pool2d(x, 64)
        return self.head(x + nn.functional.interpolate(half, scale_factor=64))

def build():
    return Net()
"""

TWOHEADS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.heads = nn.ModuleList([nn.Conv2d(8, 1, 1), nn.Conv2d(8, 3, 1)])

    def forward(self, x):
        y = torch.relu(self.trunk(x))
        return [head(y) for head in self.heads]

def build():
    return Net()
"""
RELATIVE = """
from types import SimpleNamespace

import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 1, 5, stride=2, padding=2)

    def forward(self, x):
        return SimpleNamespace(predicted_depth=self.net(x)[:, 0])

def build():
    return Net()
"""


def command(start):
    """The arguments of the README's command that begins with `start`."""
    text = README.read_text().replace("\\\n", " ")
    (line,) = re.findall(rf"^    robustseg ({re.escape(start)}.*)$", text, re.MULTILINE)
    return shlex.split(line)


def save(folder, name, source, wrap=lambda state: state):
    (folder / f"{name}.py").write_text(source)
    space = {}
    exec(source, space)
    torch.manual_seed(0)
    torch.save(wrap(space["build"]().state_dict()), folder / f"{name}.pth")


@pytest.mark.slow
@pytest.mark.skipif(not CAMVID, reason="ROBUSTSEG_CAMVID does not point to CamVid")
def test_the_readme_command_on_camvid(robustseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, "mynet", MYNET, lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}})
    arguments = [a.replace("/data/camvid", CAMVID) for a in command("evaluate -m mynet.py:build")]
    code, out, err = robustseg(*arguments, "--limit", "2", "--workers", "1", "-o", "run")
    assert code == 4, err  # it is not trained
    table = pd.read_csv("run/summary.csv")
    assert set(table.attack) == {"clean", "gaussian", "pgd"}
    assert (table[table.attack == "pgd"].n_unchanged == 0).all()
    assert "run/report.html" in out


@pytest.mark.slow
def test_the_readme_command_with_two_tasks_on_street(robustseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, "twotask", TWOTASK)
    code, _, err = robustseg(*command("evaluate -m twotask.py:build"), "--limit", "2", "--workers", "1", "-o", "run")
    assert code == 4, err  # it is not trained
    table = pd.read_csv("run/summary.csv")
    assert set(table.task) == {"semantic", "depth"}
    assert {"semantic", "depth"} <= set(table[table.attack == "apgd"].objective)


@pytest.fixture
def drive(tmp_path):
    """Images of street with labels of two kinds, and the classes of a network's two outputs."""
    classes = {"drivable": ["background", "drivable"], "lanes": ["background", "solid", "dashed"]}
    root = tmp_path / "drive"
    for name in ("images", *classes):
        (root / name).mkdir(parents=True)
    table = ""
    for label, names in classes.items():
        text = f"classes = {json.dumps(names)}\n"
        (tmp_path / f"{label}.toml").write_text(text)
        table += f"[labels.{label}]\n{text}"
    (root / "dataset.toml").write_text(table)
    street = Street()
    for i in range(2):
        sample = street[i]
        road = sample.labels["semantic"] == 0
        lanes = road * (1 + np.indices(road.shape)[1] % 2)
        for folder, pixels in (("images", sample.image), ("drivable", road), ("lanes", lanes)):
            Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"{i}.png")
    return root


@pytest.mark.slow
def test_the_readme_commands_with_two_segmentations(robustseg, tmp_path, monkeypatch, drive):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, "twoheads", TWOHEADS)
    arguments = [a.replace("/data/drive", str(drive)) for a in command("evaluate -m twoheads.py:build")]
    code, _, err = robustseg(*arguments, "--workers", "1")
    assert code == 4, err  # it is not trained
    table = pd.read_csv("runs/twoheads/summary.csv")
    tasks = {"semantic[drivable]", "semantic[lanes]"}
    assert set(table.task) == tasks
    crossed = table[table.attack == "apgd"].groupby(["objective", "task"]).size()
    assert {(objective, task) for objective in tasks for task in tasks} <= set(crossed.index)
    names = pd.read_csv("runs/twoheads/classes.csv").groupby("task")["class"].agg(set)
    assert names["semantic[drivable]"] == {"background", "drivable"}
    assert names["semantic[lanes]"] == {"background", "solid", "dashed"}
    code, out, err = robustseg(*command("relationships runs/twoheads"))
    assert code == 0, err
    assert out == "relationships: runs/twoheads/relationships.html\n"
    page = Path("runs/twoheads/relationships.html").read_text(encoding="utf-8")
    assert all(f">{name}, mIoU<" in page for name in ("drivable", "lanes"))


@pytest.mark.slow
def test_the_readme_command_with_relative_depth(robustseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, "relative", RELATIVE)
    arguments = (*command("evaluate -m relative.py:build"), "--limit", "2", "--workers", "1", "-o", "run")
    code, _, err = robustseg(*arguments)
    assert code in (0, 4), err  # it is not trained
    table = pd.read_csv("run/summary.csv")
    assert set(table.task) == {"depth"}
    clean = table[(table.attack == "clean") & (table.metric == "abs_rel")].value.item()
    assert clean < 1, "the mean of inverse depth is a fit, whatever the network"
    assert table[(table.attack == "apgd") & (table.metric == "rmse")].ratio.min() < 1


def test_one_of_several_outputs_is_asked_for_by_its_name(robustseg, tmp_path):
    save(tmp_path, "twoheads", TWOHEADS)
    for name, classes in (("drivable", ["other", "road"]), ("people", ["other", "person", "rider"])):
        own = "\n".join(f'{each} = "{each}"' for each in classes[1:])
        text = f'classes = {json.dumps(classes)}\n[maps.cityscapes19]\n{own}\n"*" = "other"'
        (tmp_path / f"{name}.toml").write_text(text)
    outputs = ("--output", "drivable=semantic:0", "--output", "people=semantic:1")
    classes = [part for n in ("drivable", "people") for part in ("--classes", f"{n}={tmp_path}/{n}.toml")]
    own = ("-m", f"{tmp_path}/twoheads.py:build", *outputs, *classes, "-d", "street", "--tasks", "people")
    code, out, err = robustseg(
        "evaluate", *own, "-a", "fgsm", "-e", "1", "--limit", "1", "--workers", "1", "-o", tmp_path / "run"
    )
    assert code == 4, err
    assert set(pd.read_csv(tmp_path / "run" / "summary.csv").task) == {"semantic[people]"}
    code, _, err = robustseg("evaluate", *own[:-1], "peple")
    assert (code, err) == (2, "robustseg: unknown task 'peple'; did you mean people?\n")
    assert "no labels called people; it is measured against those of semantic" in out


def test_a_torchvision_model_runs(robustseg, tmp_path):
    arguments = ("-m", "torchvision:lraspp_mobilenet_v3_large", "-d", "street", "-a", "fgsm", "-e", "1")
    code, out, err = robustseg("evaluate", *arguments, "--limit", "1", "--workers", "1", "-o", tmp_path / "run")
    assert code == 4, err
    assert "implausible_clean" in out, "its weights are random"


def test_check_says_what_a_model_gives(robustseg, tmp_path):
    save(tmp_path, "twotask", TWOTASK)
    outputs = ("--output", "semantic=seg", "--output", "depth=disp:inverse")
    code, out, err = robustseg(
        "check", f"{tmp_path}/twotask.py:build", "--weights", tmp_path / "twotask.pth", "--limit", 1, *outputs
    )
    assert code == 4, err
    assert "implausible_clean" in out, "it is not trained"
    assert "(19, 75, 101)" in out
    assert "depth" in out


def test_a_size_that_a_model_does_not_take(robustseg, tmp_path):
    """Street is 96 x 192, no multiple of 64."""
    (tmp_path / "divisible.py").write_text(DIVISIBLE)
    model = f"{tmp_path}/divisible.py:build"
    evaluation = ("evaluate", "-m", model, "-a", "fgsm", "-e", "1", "--limit", "1", "--workers", "1")
    for refused in (evaluation, ("check", model, "--limit", "1")):
        code, _, err = robustseg(*refused, *(("-o", tmp_path / "refused") if refused is evaluation else ()))
        assert code == 3
        assert len(err.splitlines()) == 1
        assert err.rstrip().endswith("it runs at other sizes: give --pad-to 64")
    for size in (("--pad-to", "64"), ("--input-size", "64x128")):
        code, _, err = robustseg(*evaluation, *size, "-o", tmp_path / size[0])
        assert code == 4, err  # it is not trained
    assert robustseg(*evaluation, "--pad-to", "64", "--input-size", "64x128", "-o", tmp_path / "both")[0] == 2


def run_of_the_readme(robustseg, start):
    """The clean rows of what the README's command writes, on two images; its weights are random."""
    code, _, err = robustseg(*command(start), "--limit", "2", "--workers", "1", "-o", "run")
    assert code == 4, err
    return pd.read_csv("run/summary.csv").query("attack == 'clean' and metric == 'miou'")


@pytest.mark.slow
def test_the_readme_command_on_a_folder_of_transformers(robustseg, tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    names = Street().classes.names
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        **{"hidden_sizes": [8, 16, 24, 32], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2]},
        decoder_hidden_size=16,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained("segformer")
    assert 0 <= run_of_the_readme(robustseg, "evaluate -m hf:segformer")["value"].item() < 0.2


@pytest.mark.slow
def test_the_readme_command_on_a_network_of_smp(robustseg, tmp_path, monkeypatch):
    smp = pytest.importorskip("segmentation_models_pytorch")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(smp.create_model("unet", "resnet18", encoder_weights=None, classes=19).state_dict(), "unet.pth")
    assert 0 <= run_of_the_readme(robustseg, "evaluate -m smp:unet/resnet18")["value"].item() < 0.2
