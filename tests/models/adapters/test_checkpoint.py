from __future__ import annotations

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robustbench_seg.classes import CAMVID11
from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.models.adapters.checkpoint import load_checkpoint

CODE = """
import torch
from torch import nn
import helper

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, helper.CLASSES, 3, padding=1)

    def forward(self, x):
        return {"out": self.body(x)}

instance = Net()
number = 3

def wrong():
    return "net"

def broken():
    raise KeyError("first\\nsecond")

def leaves():
    raise SystemExit(4)

def needs(argument):
    return Net()
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    (tmp_path / "helper.py").write_text("CLASSES = 11\n")
    (tmp_path / "checkpointnet.py").write_text(CODE)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    monkeypatch.delitem(__import__("sys").modules, "helper", raising=False)
    return tmp_path / "checkpointnet.py"


def _state():
    torch.manual_seed(1)
    return nn.Conv2d(3, 11, 3, padding=1).state_dict()


def _keys(prefix):
    return {f"{prefix}body.{key}": value for key, value in _state().items()}


@pytest.mark.parametrize(
    "content",
    [
        _keys(""),
        _keys("module."),
        _keys("model."),
        _keys("_orig_mod."),
        _keys("module._orig_mod."),
        {"state_dict": _keys("model."), "epoch": 3},
        {"model": _keys(""), "optimizer": {"lr": 1.0}},
        {"model_state_dict": _keys("module.")},
        {"model": {"state_dict": _keys("")}},
        _keys("") | {"aux_classifier.0.weight": torch.zeros(2)},
    ],
)
def test_wrappings_and_prefixes(code, tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    model = load_checkpoint(f"{code}:Net", weights=tmp_path / "w.pth", classes="camvid11")
    torch.testing.assert_close(model.module.net.body.weight, _state()["weight"])
    assert not model.module.training
    assert model.tasks == ("semantic",)
    assert model.classes is CAMVID11
    assert model.depth_align == "none"


def test_safetensors_in_half_precision(code, tmp_path):
    save_file({key: value.half() for key, value in _keys("").items()}, tmp_path / "w.safetensors")
    model = load_checkpoint(f"{code}:Net", weights=tmp_path / "w.safetensors", classes="camvid11")
    assert model.module.net.body.weight.dtype == torch.float32
    assert model.module(torch.rand(1, 3, 9, 7))["semantic"].shape == (1, 11, 9, 7)


class _Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_pickle_with_code_is_refused_and_not_run(code, tmp_path, save):
    marker = tmp_path / "executed"
    save({"body.weight": _Evil(marker)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="refused") as caught:
        load_checkpoint(f"{code}:Net", weights=tmp_path / "w.pt", classes="camvid11")
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", b"PK\x03\x04broken", bytes(range(256))])
def test_damaged_pickle(code, tmp_path, data):
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(InputError, match=r"w\.pth") as caught:
        load_checkpoint(f"{code}:Net", weights=tmp_path / "w.pth", classes="camvid11")
    assert "\n" not in str(caught.value)


def test_what_is_no_state_dict(code, tmp_path):
    for value in ({"epoch": 3}, [3], {}):
        torch.save(value, tmp_path / "w.pth")
        with pytest.raises(InputError, match="holds no named tensors"):
            load_checkpoint(f"{code}:Net", weights=tmp_path / "w.pth")


def test_keys_that_do_not_fit_are_listed(code, tmp_path):
    torch.save({"body.weight": torch.zeros(19, 3, 3, 3), "head.bias": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(InputError) as caught:
        load_checkpoint(f"{code}:Net", weights=tmp_path / "w.pth")
    for part in ("1 missing (body.bias)", "1 unexpected (head.bias)", "(19, 3, 3, 3) for (11, 3, 3, 3)"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("{folder}/none.py:Net", InputError, "no such file"),
        ("{folder}/checkpointnet.py:Nett", UsageError, "did you mean Net"),
        ("{folder}/checkpointnet.py:number", InputError, "neither a factory"),
        ("{folder}/checkpointnet.py:wrong", InputError, "returned str"),
        ("{folder}/checkpointnet.py:broken", InputError, "KeyError"),
        ("{folder}/checkpointnet.py:leaves", InputError, "SystemExit"),
        ("{folder}/checkpointnet.py:needs", InputError, "missing 1 required"),
        ("{folder}/syntax.py:Net", InputError, "SyntaxError"),
        ("{folder}/exits.py:Net", InputError, "SystemExit"),
        ("no_such_package.nets:Net", InputError, "No module named"),
        ("collections:missing_thing", UsageError, "unknown factory"),
        ("torchvision:fcn_resnet51", UsageError, "did you mean"),
        ("just_a_name", UsageError, "FILE.py:factory"),
        (":Net", UsageError, "FILE.py:factory"),
    ],
)
def test_factories_that_fail(code, spec, error, message):
    (code.parent / "syntax.py").write_text("def Net(:\n")
    (code.parent / "exits.py").write_text("raise SystemExit(1)\n")
    with pytest.raises(error, match=message) as caught:
        load_checkpoint(spec.format(folder=code.parent))
    assert "\n" not in str(caught.value)


def test_an_instance_and_an_importable_factory(code, monkeypatch):
    monkeypatch.chdir(code.parent)
    assert load_checkpoint(f"{code}:instance", classes="camvid11").module.net.body.out_channels == 11
    assert load_checkpoint("checkpointnet:Net", classes=CAMVID11).module.net.body.out_channels == 11


def test_class_count_is_named(code):
    with pytest.raises(InputError, match="11 channels for 19 classes"):
        load_checkpoint(f"{code}:Net")


def test_a_network_of_one_size_is_left_to_the_run(code):
    code.write_text(CODE.replace("return {", "assert x.shape[-1] == 8, 'only 8'\n        return {"))
    model = load_checkpoint(f"{code}:Net", classes="camvid11")
    assert model.module(torch.rand(1, 3, 8, 8))["semantic"].shape == (1, 11, 8, 8)


def test_torchvision_takes_the_class_count():
    model = load_checkpoint("torchvision:lraspp_mobilenet_v3_large", classes="camvid11")
    assert model.module(torch.rand(1, 3, 40, 56))["semantic"].shape == (1, 11, 40, 56)


def test_relative_depth_is_median_scaled_by_default(code):
    code.write_text(CODE.replace("self.body(x)}", "self.body(x)[:, :1]}"))
    net = f"{code}:Net"
    assert load_checkpoint(net, outputs=["depth=out:inverse"]).depth_align == "median"
    assert load_checkpoint(net, outputs=["depth=out"]).depth_align == "none"
    for how in ("none", "affine"):
        assert load_checkpoint(net, outputs=["depth=out:inverse"], depth_align=how).depth_align == how
    with pytest.raises(UsageError, match="depth_align affine: no output is depth"):
        load_checkpoint(net, depth_align="affine")
    with pytest.raises(UsageError, match="unknown depth alignment 'afine'; did you mean affine"):
        load_checkpoint(net, outputs=["depth=out:inverse"], depth_align="afine")


def test_another_normalisation_is_another_model(code):
    plain, other = (
        load_checkpoint(f"{code}:instance", normalize=n, classes="camvid11").sha256 for n in ("imagenet", "half")
    )
    assert plain != other
    assert plain == load_checkpoint(f"{code}:instance", classes="camvid11").sha256


def test_options_that_contradict(code):
    with pytest.raises(UsageError, match="each task once"):
        load_checkpoint(f"{code}:Net", outputs=["semantic=0", "semantic=1"])
    with pytest.raises(RobustsegError, match="camvid11"):
        load_checkpoint(f"{code}:Net", classes="camvid12")


def test_a_net_that_caches_a_tensor_at_its_first_call_still_has_gradients(tmp_path):
    (tmp_path / "lazynet.py").write_text(
        "import torch\n"
        "class Lazy(torch.nn.Module):\n"
        "    grid = None\n"
        "    def forward(self, x):\n"
        "        if self.grid is None:\n"
        "            self.grid = x.new_ones(1, 11, 1, 1) * 2\n"
        "        return x.mean(1, keepdim=True) * self.grid\n"
    )
    module = load_checkpoint(f"{tmp_path}/lazynet.py:Lazy", classes=CAMVID11).module
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    module(images)["semantic"].sum().backward()
    assert images.grad is not None
