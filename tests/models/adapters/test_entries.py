"""Which entry of a checkpoint fills a network: wrapped, prefixed, averaged, in parts, and as scripts write them."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.weights import fill

FACTORY = """
from torch import nn
def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 19, 1))
"""


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 19, 1))


PLAIN, AVERAGED = net(1).state_dict(), net(2).state_dict()


def under(prefix, state=PLAIN):
    return {f"{prefix}{key}": value for key, value in state.items()}


def filled(path, content, given="", **options):
    """The network after the file was written and read, where it came from and the notes."""
    torch.save(content, path)
    module = net()
    where, notes = fill(module, f"{path}{given}", **options)
    return module.state_dict(), where.removeprefix(str(path)), notes


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in PLAIN)


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        (PLAIN, ""),
        (under("module."), ":module"),
        ({"model_state": PLAIN, "epoch": 3}, ":model_state"),
        ({"params": PLAIN}, ":params"),
        ({"weights": under("net.module.")}, ":weights.net.module"),
        ({"a": {"b": {"c": under("anything.")}}}, ":a.b.c.anything"),
        ([PLAIN, 3], ":0"),
        ((3, {"state_dict": PLAIN}), ":1.state_dict"),
        (under("_orig_mod."), ""),
        (under("module._orig_mod."), ":module"),
        ({key.replace("0.", "0._orig_mod.", 1): value for key, value in PLAIN.items()}, ""),
        ({key: value for key, value in PLAIN.items() if "tracked" not in key}, ""),
        ({"discriminator": {"0.weight": torch.zeros(1)}, "generator": PLAIN}, ":generator"),
        ({"model": PLAIN, "optimizer": {"state": {0: {"exp_avg": PLAIN["0.weight"]}}}}, ":model"),
        ({"model": PLAIN, "state_dict": PLAIN}, ":model"),
        (PLAIN | {"aux_classifier.0.weight": torch.zeros(2)}, ""),
    ],
)
def test_the_one_entry_that_fits_is_found(tmp_path, content, entry):
    state, where, notes = filled(tmp_path / "w.pth", content)
    assert same(state, PLAIN)
    assert (where, notes) == (entry, ())


def test_parts_that_were_saved_apart(tmp_path):
    module = nn.ModuleDict({"encoder": net(), "decoder": net()})
    torch.save({"encoder": PLAIN, "decoder": AVERAGED, "epoch": 3}, tmp_path / "w.pth")
    fill(module, tmp_path / "w.pth")
    assert same(module["encoder"].state_dict(), PLAIN)
    assert same(module["decoder"].state_dict(), AVERAGED)


@pytest.mark.parametrize(
    ("content", "averaged", "plain"),
    [
        ({"state_dict": PLAIN, "state_dict_ema": AVERAGED}, "state_dict_ema", "state_dict"),
        ({"model": PLAIN, "ema": {"shadow": AVERAGED, "decay": 0.99}}, "ema.shadow", "model"),
        (under("model.") | under("ema_model.", AVERAGED), "ema_model", "model"),
        ({"state_dict": under("net.") | under("swa.", AVERAGED)}, "state_dict.swa", "state_dict.net"),
        (PLAIN | under("ema.", AVERAGED), "ema", "."),
    ],
)
def test_averaged_weights_are_preferred_and_both_are_named(tmp_path, content, averaged, plain):
    path = tmp_path / "w.pth"
    state, where, notes = filled(path, content)
    assert same(state, AVERAGED)
    assert where == f":{averaged}"
    (note,) = notes
    assert f"averaged weights '{averaged}' taken" in note
    assert note.endswith(f"--weights {path}:{plain}")
    state, _, notes = filled(path, content, f":{plain}")
    assert same(state, PLAIN)
    assert not notes


def test_semantic_is_not_an_average(tmp_path):
    """Which the letters of EMA are in."""
    with pytest.raises(UsageError, match=re.escape("(semantic, instance)")):
        filled(tmp_path / "w.pth", {"semantic": PLAIN, "instance": AVERAGED})
    state, where, _ = filled(tmp_path / "w.pth", {"semantic": PLAIN, "instance": AVERAGED}, ":instance")
    assert same(state, AVERAGED)
    assert where == ":instance"


def test_an_entry_of_safetensors(tmp_path):
    save_file(under("student.") | under("teacher.", AVERAGED), tmp_path / "w.bin")
    module = net()
    fill(module, f"{tmp_path}/w.bin:teacher")
    assert same(module.state_dict(), AVERAGED)


def test_a_file_with_a_colon(tmp_path):
    torch.save(PLAIN, tmp_path / "run:3.pth")
    module = net()
    fill(module, tmp_path / "run:3.pth")
    assert same(module.state_dict(), PLAIN)


def test_extra_keys_are_listed_and_may_be_left_out(tmp_path):
    content = {"state_dict": under("model.") | {"criterion.weight": torch.ones(19), "model.3.bias": torch.ones(1)}}
    with pytest.raises(InputError, match=re.escape("2 keys that the network lacks (criterion.weight, 3.bias)")):
        filled(tmp_path / "w.pth", content)
    state, _, notes = filled(tmp_path / "w.pth", content, ignore_unexpected=True)
    assert same(state, PLAIN)
    assert notes == ("weights: left out 2 keys that the network lacks (criterion.weight, 3.bias)",)


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    module = net(1)
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3)
    module(torch.rand(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    return module, optimizer


def torchvisions(module, optimizer):
    """As the reference scripts of torchvision."""
    average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
    average.update_parameters(module)
    nn.init.zeros_(module[2].weight)
    scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, 10)
    return {
        "model": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": scheduler.state_dict(),
        "epoch": 3,
        "args": argparse.Namespace(data_path=Path("/data"), lr=0.1, output_dir="."),
        "scaler": torch.amp.GradScaler("cpu").state_dict(),
        "model_ema": average.state_dict(),
    }


def lightnings(module, optimizer):
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.5",
        "state_dict": OrderedDict(under("model.", module.state_dict())),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'miou'}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"_last_lr": [np.float64(0.1)]}],
        "hyper_parameters": {"args": argparse.Namespace(root=Path("/data")), "lr": 0.1},
    }


def openmmlabs(module, optimizer):
    return {
        "meta": {"epoch": 3, "dataset_meta": {"classes": ("road",), "palette": np.zeros((1, 3), np.uint8)}},
        "state_dict": module.state_dict(),
        "message_hub": {"log_scalars": defaultdict(list, loss=[np.float32(0.1)])},
        "optimizer": optimizer.state_dict(),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("script", "entry"),
    [(torchvisions, "model_ema.module"), (lightnings, "state_dict.model"), (openmmlabs, "state_dict")],
)
def test_what_training_scripts_save(tmp_path, script, entry, zipped):
    module, optimizer = trained()
    expected = {key: value.clone() for key, value in module.state_dict().items()}
    torch.save(script(module, optimizer), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    other = net()
    where, _ = fill(other, tmp_path / "w.pth")
    assert same(other.state_dict(), expected)
    assert where == f"{tmp_path}/w.pth:{entry}"


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda module: module,
        lambda module: {"epoch": 3, "model": module},
        lambda module: {"hyper_parameters": {"loss": nn.CrossEntropyLoss()}, "state_dict": module.state_dict()},
        lambda module: module.state_dict() | {"loss": nn.CrossEntropyLoss()},
    ],
)
def test_the_command_of_the_refusal_converts(tmp_path, wrap, zipped):
    torch.save(wrap(net(1)), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"torch\.nn\.modules") as caught:
        fill(net(), tmp_path / "w.pth")
    command = str(caught.value).partition("(which it runs): python ")[2]
    subprocess.run([sys.executable, *shlex.split(command)], cwd=tmp_path, check=True, capture_output=True)
    other = net()
    fill(other, tmp_path / "w-weights.pth")
    assert same(other.state_dict(), PLAIN)


def test_the_choice_is_printed(tmp_path, robustseg):
    (tmp_path / "net.py").write_text(FACTORY)
    torch.save({"model": PLAIN, "model_ema": AVERAGED | {"loss.weight": torch.ones(1)}}, tmp_path / "w.pth")
    own = ("-m", f"{tmp_path}/net.py:net", "--weights", tmp_path / "w.pth", "--ignore-unexpected")
    arguments = ("-a", "gaussian", "-e", "1", "--limit", "1", "--workers", "1", "--dry-run", "-o", tmp_path / "run")
    code, out, err = robustseg("evaluate", *own, "-d", "street", *arguments)
    assert code == 0, err
    assert f"note: weights: averaged weights 'model_ema' taken; for the plain ones give --weights {tmp_path}" in out
    assert "note: weights: left out 1 key that the network lacks (loss.weight)" in out
