"""Every kind of bad input: one line that names the value, the right exit code, nothing run, no traceback."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

USAGE, INPUT = 2, 3
TOY = ("-m", "toy-single", "-d", "toy")
NET = """
import torch
def net():
    return torch.nn.Conv2d(3, 19, 1)
def few():
    return torch.nn.Conv2d(3, 4, 1)
def text():
    return "not a module"
def breaks():
    raise ValueError("no such\\nbackbone")
class Detached(torch.nn.Module):
    def forward(self, x):
        return x.sum()
"""


@pytest.fixture
def files(tmp_path):
    """A folder of broken things."""
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "syntax.py").write_text("def net(:\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('on import')\n")
    (tmp_path / "not.toml").write_text("a = = 1")
    (tmp_path / "empty.toml").write_text("")
    (tmp_path / "classes.toml").write_text('classes = ["a", "b"]\nname = "two"\n')
    (tmp_path / "key.toml").write_text('[[attack]]\nname = "pgd"\nepsilon = [1]\n')
    (tmp_path / "negative.toml").write_text('[[attack]]\nname = "pgd"\nepsilons = [-1]\n')
    (tmp_path / "word.toml").write_text('[[attack]]\nname = "pgd"\nepsilons = ["one"]\n')
    (tmp_path / "unknown.toml").write_text('[[attack]]\nname = "pdg"\nepsilons = [1]\n')
    (tmp_path / "norm.toml").write_text('[[attack]]\nname = "pgd"\nnorm = "l0"\nepsilons = [1]\n')
    (tmp_path / "nogrid.toml").write_text('[[attack]]\nname = "fgsm"\n')
    (tmp_path / "garbage.pth").write_bytes(b"garbage")
    (tmp_path / "garbage.safetensors").write_bytes(b"garbage" * 9)
    torch.save({"weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    save_file({"weight": torch.zeros(19, 3, 1, 1)}, tmp_path / "part.safetensors")
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "folder"
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "dataset.toml").write_text('classes = "cityscapes19"\n')
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "images" / "a.png")
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(folder / "labels" / "a.png")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "card.toml").write_text('name = "own"\n')
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.html").write_text("")
    return tmp_path


OWN = ("-m", "{f}/net.py:net", "-d", "toy")
CASES = {
    "unknown command": (("evalute",), USAGE, "evalute"),
    "unknown option": (("evaluate", "--nonsense"), USAGE, "--nonsense"),
    "unknown model": (("evaluate", "-m", "toy-singel", "-d", "toy"), USAGE, "toy-single"),
    "a folder without ./": (("evaluate", "-m", "own", "-d", "toy"), USAGE, "write ./own"),
    "a folder without ./ to check": (("check", "own"), USAGE, "write ./own"),
    "a folder without ./ to show": (("show", "model", "own"), USAGE, "write ./own"),
    "a folder without a card to show": (("show", "model", "./folder"), INPUT, "card.toml"),
    "unknown data set": (("evaluate", "-m", "toy-single", "-d", "toi"), USAGE, "toi"),
    "unknown protocol": (("evaluate", *TOY, "-p", "klinger2020"), USAGE, "klingner2020"),
    "unknown attack": (("evaluate", *TOY, "-a", "pdg"), USAGE, "pdg"),
    "unknown kind to list": (("list", "netwroks"), USAGE, "netwroks"),
    "unknown name to show": (("show", "attack", "fgms"), USAGE, "fgsm"),
    "epsilon not a number": (("evaluate", *TOY, "-a", "pgd", "-e", "1,two"), USAGE, "two"),
    "epsilon negative": (("evaluate", *TOY, "-a", "pgd", "-e", "-1"), USAGE, "-1"),
    "epsilon beyond the range": (("evaluate", *TOY, "-a", "pgd", "-e", "300"), USAGE, "300"),
    "epsilon nan": (("evaluate", *TOY, "-a", "pgd", "-e", "nan"), USAGE, "nan"),
    "grids do not match attacks": (("evaluate", *TOY, "-a", "pgd", "-e", "1", "-e", "2"), USAGE, "2 -e for 1 -a"),
    "attack the protocol lacks": (("evaluate", *TOY, "-p", "klingner2020", "-a", "dag"), USAGE, "dag"),
    "epsilon the protocol lacks": (("evaluate", *TOY, "-p", "klingner2020", "-e", "3"), USAGE, "3"),
    "unknown parameter": (("evaluate", *TOY, "-a", "pgd", "--set", "pgd.stepps=3"), USAGE, "stepps"),
    "declaration as a parameter": (
        ("evaluate", *TOY, "-a", "pgd", "--set", "pgd.title=X"),
        USAGE,
        "unknown parameter of PGD 'title'; known: loss, scale_free, steps, alpha, random_start, restarts",
    ),
    "parameter of wrong type": (("evaluate", *TOY, "-a", "pgd", "--set", "pgd.steps=many"), USAGE, "many"),
    "parameter out of range": (("evaluate", *TOY, "-a", "pgd", "--set", "pgd.alpha=-1"), USAGE, "-1"),
    "malformed setting": (("evaluate", *TOY, "--set", "steps=3"), USAGE, "steps=3"),
    "setting of an absent attack": (("evaluate", *TOY, "-a", "pgd", "--set", "dag.steps=3"), USAGE, "dag"),
    "parameter of no task": (("evaluate", *TOY, "-a", "pgd", "--set", "semantic.crop=garg"), USAGE, "no 'crop'"),
    "regions of no model": (
        ("evaluate", "-m", "toy-multi", "-d", "toy", "-a", "pgd", "--set", "depth.regions=labels"),
        USAGE,
        "regions 'labels' are neither label, prediction nor a model: unknown model 'labels'",
    ),
    "range without an end": (
        ("evaluate", "-m", "toy-multi", "-d", "toy", "-a", "pgd", "--set", "depth.max_depth=inf"),
        USAGE,
        "no range",
    ),
    "malformed objective": (("evaluate", *TOY, "-a", "dag", "--set", "dag.objectives=swap:car"), USAGE, "swap:car"),
    "unknown task": (("evaluate", *TOY, "--tasks", "semantics"), USAGE, "semantics"),
    "no task in common": (("evaluate", *TOY, "--tasks", "depth"), USAGE, "toy-single on toy"),
    "batch size zero": (("evaluate", *TOY, "--batch-size", "0"), USAGE, "0"),
    "budget of no time": (("evaluate", *TOY, "--budget", "0"), USAGE, "minutes above 0"),
    "budget negative": (("evaluate", *TOY, "--budget", "-3"), USAGE, "-3"),
    "budget not a number": (("evaluate", *TOY, "--budget", "ten"), USAGE, "ten"),
    "budget that is none": (("evaluate", *TOY, "--budget", "nan"), USAGE, "nan"),
    "budget without an end": (("evaluate", *TOY, "--budget", "inf"), USAGE, "inf"),
    "budget below an image": (
        ("evaluate", *TOY, "-a", "fgsm", "-e", "1", "--budget", "1e-9"),
        USAGE,
        "one image takes",
    ),
    "limit zero": (("evaluate", *TOY, "--limit", "0"), USAGE, "0"),
    "unknown engine": (("evaluate", *TOY, "--engine", "lokal"), USAGE, "lokal"),
    "unknown device": (("evaluate", *TOY, "--device", "cuda:77"), USAGE, "cuda:77"),
    "unknown precision": (("evaluate", *TOY, "--precision", "fp8"), USAGE, "fp8"),
    "unknown split": (("evaluate", "-m", "toy-single", "-d", "camvid:x", "--split", "dev"), USAGE, "dev"),
    "model given twice": (("evaluate", "-m", "toy-single", *TOY), USAGE, "toy-single"),
    "data set without its folder": (("evaluate", "-m", "toy-single", "-d", "camvid"), USAGE, "camvid"),
    "own options for a catalogue model": (("evaluate", *TOY, "--normalize", "half"), USAGE, "--normalize"),
    "own options for two models": (("evaluate", *OWN, "-m", "toy-single", "--classes", "camvid11"), USAGE, "--classes"),
    "unknown normalisation": (("evaluate", *OWN, "--normalize", "imagnet"), USAGE, "imagnet"),
    "unknown classes": (("evaluate", *OWN, "--classes", "cityscape19"), USAGE, "cityscapes19"),
    "malformed output": (("evaluate", *OWN, "--output", "colour=x"), USAGE, "colour"),
    "unknown factory": (("evaluate", "-m", "{f}/net.py:nett", "-d", "toy"), USAGE, "nett"),
    "unknown torchvision model": (("evaluate", "-m", "torchvision:fcn", "-d", "toy"), USAGE, "fcn"),
    "unknown recipe": (("train", "street-singel"), USAGE, "street-singel"),
    "folder without a data set": (("evaluate", "-m", "toy-single", "-d", "folder:{f}/images"), INPUT, "{f}/images"),
    "folder without images": (("evaluate", "-m", "toy-single", "-d", "camvid:{f}/none"), INPUT, "{f}/none"),
    "unknown label id": (("evaluate", "-m", "{f}/net.py:net", "-d", "folder:{f}/folder"), INPUT, "77"),
    "no such model file": (("evaluate", "-m", "{f}/nets.py:net", "-d", "toy"), INPUT, "nets.py"),
    "syntax error in the model file": (("evaluate", "-m", "{f}/syntax.py:net", "-d", "toy"), INPUT, "syntax.py"),
    "factory raises": (("evaluate", "-m", "{f}/net.py:breaks", "-d", "toy"), INPUT, "backbone"),
    "factory gives no module": (("evaluate", "-m", "{f}/net.py:text", "-d", "toy"), INPUT, "str"),
    "wrong number of channels": (("evaluate", "-m", "{f}/net.py:few", "-d", "toy"), INPUT, "4"),
    "output is no map": (("check", "{f}/net.py:Detached"), INPUT, "semantic"),
    "no such weights": (("evaluate", *OWN, "--weights", "{f}/none.pth"), INPUT, "none.pth"),
    "damaged weights": (("evaluate", *OWN, "--weights", "{f}/garbage.pth"), INPUT, "garbage.pth"),
    "damaged safetensors": (("evaluate", *OWN, "--weights", "{f}/garbage.safetensors"), INPUT, "garbage.safetensors"),
    "weights of another shape": (("evaluate", *OWN, "--weights", "{f}/other.pth"), INPUT, "weight"),
    "weights with a key missing": (("evaluate", *OWN, "--weights", "{f}/part.safetensors"), INPUT, "bias"),
    "weights that are code": (("evaluate", *OWN, "--weights", "{f}/evil.pth"), INPUT, "evil.pth"),
    "plugin missing": (("list", "attacks", "--plugin", "{f}/none.py"), INPUT, "none.py"),
    "plugin raises": (("list", "attacks", "--plugin", "{f}/raises.py"), INPUT, "on import"),
    "protocol missing": (("evaluate", *TOY, "-p", "{f}/none.toml"), INPUT, "none.toml"),
    "protocol is not TOML": (("evaluate", *TOY, "-p", "{f}/not.toml"), INPUT, "not.toml"),
    "protocol without attacks": (("evaluate", *TOY, "-p", "{f}/empty.toml"), INPUT, "empty.toml"),
    "protocol with an unknown key": (("evaluate", *TOY, "-p", "{f}/key.toml"), INPUT, "epsilon"),
    "protocol with a negative epsilon": (("evaluate", *TOY, "-p", "{f}/negative.toml"), INPUT, "-1"),
    "protocol with a word for epsilon": (("evaluate", *TOY, "-p", "{f}/word.toml"), INPUT, "one"),
    "protocol with an unknown attack": (("evaluate", *TOY, "-p", "{f}/unknown.toml"), USAGE, "pdg"),
    "protocol with an unknown norm": (("evaluate", *TOY, "-p", "{f}/norm.toml"), USAGE, "l0"),
    "protocol without a grid": (("evaluate", *TOY, "-p", "{f}/nogrid.toml"), USAGE, "epsilon"),
    "recipe is not TOML": (("train", "{f}/not.toml"), INPUT, "not.toml"),
    "recipe without its keys": (("train", "{f}/empty.toml"), INPUT, "empty.toml"),
    "run folder is a file": (("evaluate", *TOY, "-o", "{f}/file"), INPUT, "{f}/file"),
    "report of no run": (("report", "{f}/folder"), INPUT, "folder"),
    "report of a study": (
        ("report", "{f}/study"),
        INPUT,
        "is the folder of a study, which has no store",
    ),
    "plot of no run": (("plot", "{f}/folder", "-o", "{f}/out"), INPUT, "folder"),
}


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line(name, files, robustseg, monkeypatch):
    arguments, code, named = CASES[name]
    monkeypatch.chdir(files)
    (files / "evil.pth").write_bytes(pickle.dumps(Evil(str(files / "marker"))))
    got, out, err = robustseg(*(argument.format(f=files) for argument in arguments))
    assert got == code, err
    assert err.count("\n") == 1, err
    assert err.startswith("robustseg: ")
    assert named.format(f=files) in err
    assert "Traceback" not in out + err
    assert not (files / "marker").exists()


@pytest.mark.parametrize(
    ("attack", "setting"),
    [("pgd", "pgd.alpha=-1"), ("torchattacks:PGD", "torchattacks:PGD.eps=3"), ("fog", "fog.severity=9")],
)
def test_a_setting_that_does_not_fit_is_said_before_anything_is_loaded(attack, setting, robustseg):
    code, out, err = robustseg("evaluate", *TOY, "-a", attack, "--set", setting)
    assert code == USAGE
    assert out == ""
    assert setting.partition(".")[2].partition("=")[0] in err


def test_a_pickle_in_torch_format_is_refused_and_does_not_run(files, robustseg):
    torch.save(Evil(str(files / "marker")), files / "evil.pt")
    code, _, err = robustseg("evaluate", "-m", f"{files}/net.py:net", "-d", "toy", "--weights", f"{files}/evil.pt")
    assert code == INPUT
    assert "evil.pt" in err
    assert not (files / "marker").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    from robustbench_seg.errors import InputError
    from robustbench_seg.results.files import write_text

    link = tmp_path / f".summary.csv.{os.getpid()}.partial"
    link.symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        write_text("x" * 10, tmp_path / "summary.csv")
