"""What training scripts save beside tensors loads, as stand-ins, under `weights_only`, in both of torch's formats."""

from __future__ import annotations

import argparse
import datetime
import decimal
import pathlib
import pickle
import sys
import types
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric.utilities.data import AttributeDict

from robustbench_seg.errors import InputError
from robustbench_seg.models.weightfiles.formats import Format, format_of
from robustbench_seg.models.weightfiles.pickles import HARMLESS, StandIn
from robustbench_seg.models.weightfiles.torchfile import read_torch

WEIGHT = torch.arange(6.0).reshape(2, 3)
OBJECTS = {
    "Namespace": argparse.Namespace(lr=0.1, out=pathlib.Path("runs"), type=int, fold=np.int64(3)),
    "SimpleNamespace": types.SimpleNamespace(lr=0.1),
    "numpy float": np.float64(0.71),
    "numpy int": np.int32(4),
    "numpy bool": np.bool_(True),
    "numpy array": np.arange(12.0),
    "numpy object": np.array([None, "a"], dtype=object),
    "numpy dtype": np.dtype("float32"),
    "numpy type": np.float32,
    "path": pathlib.Path("/data/cityscapes"),
    "Windows path": pathlib.PureWindowsPath("C:/data"),
    "datetime": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "timedelta": datetime.timedelta(hours=2),
    "decimal": decimal.Decimal("0.1"),
    "uuid": uuid.UUID(int=5),
    "range": range(3),
    "slice": slice(1, 2),
    "frozenset": frozenset({1}),
    "type": dict,
    "version": torch.__version__,
}
PLAIN = {
    "set": {1, 2},
    "bytes": b"\x00\xff",
    "complex": 1j,
    "large": 1 << 80,
    "Counter": Counter("aab"),
    "OrderedDict": OrderedDict(a=1),
    "Size": torch.Size([2, 3]),
    "device": torch.device("cpu"),
    "dtype": torch.bfloat16,
    "deque": deque([1, 2], maxlen=3),
    "defaultdict": defaultdict(list, a=[1]),
    "AttributeDict": AttributeDict(lr=0.1),
}
BOTH = pytest.mark.parametrize("zipped", [True, False])


def loaded(path, value, zipped=True):
    torch.save({"weight": WEIGHT, "beside": value}, path, _use_new_zipfile_serialization=zipped)
    form = format_of(path)
    assert form is (Format.TORCH_ZIP if zipped else Format.TORCH_LEGACY)
    return read_torch(path, form)


@BOTH
@pytest.mark.parametrize("name", OBJECTS)
def test_objects_are_stood_in_for(tmp_path, name, zipped):
    state = loaded(tmp_path / "w", OBJECTS[name], zipped)
    torch.testing.assert_close(state["weight"], WEIGHT, rtol=0, atol=0)
    # A class itself is its stand-in.
    assert isinstance(state["beside"], StandIn) or state["beside"] is StandIn


@BOTH
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_and_containers_stay(tmp_path, name, zipped):
    state = loaded(tmp_path / "w", PLAIN[name], zipped)
    torch.testing.assert_close(state["weight"], WEIGHT, rtol=0, atol=0)
    expected = PLAIN[name]
    if isinstance(expected, deque):
        expected = list(expected)
    assert state["beside"] == (dict(expected) if isinstance(expected, dict) else expected)


def invented(monkeypatch, dotted, base):
    """A class of a library that is not installed."""
    module, _, name = dotted.rpartition(".")
    for end in range(1, len(module.split(".")) + 1):
        parent = ".".join(module.split(".")[:end])
        if parent not in sys.modules:
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    made = type(name, (base,), {"__module__": module})
    monkeypatch.setattr(sys.modules[module], name, made, raising=False)
    return made


@pytest.mark.parametrize(
    ("dotted", "base"),
    [
        ("mmengine.logging.history_buffer.HistoryBuffer", object),
        ("omegaconf.dictconfig.DictConfig", object),
        ("easydict.EasyDict", dict),
        ("yacs.config.CfgNode", dict),
        ("mmengine.config.config.ConfigDict", dict),
        ("lightning.fabric.utilities.data.AttributeDict", dict),
    ],
)
def test_libraries_that_are_not_installed(tmp_path, monkeypatch, dotted, base):
    made = invented(monkeypatch, dotted, base)
    value = made(lr=0.1) if base is dict else made()
    value.attribute = np.float32(3)
    with monkeypatch.context():
        torch.save({"weight": WEIGHT, "beside": value}, tmp_path / "w")
    monkeypatch.undo()
    state = read_torch(tmp_path / "w", format_of(tmp_path / "w"))
    assert state["beside"] == {"lr": 0.1} if base is dict else isinstance(state["beside"], StandIn)


def test_a_callback_as_a_key(tmp_path, monkeypatch):
    made = invented(monkeypatch, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", object)
    torch.save({"weight": WEIGHT, "callbacks": {made: {"best": np.float64(1)}}}, tmp_path / "w")
    torch.testing.assert_close(read_torch(tmp_path / "w", Format.TORCH_ZIP)["weight"], WEIGHT)


def test_scalars_of_numpy_1(tmp_path):
    torch.save({"weight": WEIGHT, "miou": np.float64(0.7)}, tmp_path / "w", _use_new_zipfile_serialization=False)
    content = (tmp_path / "w").read_bytes()
    assert b"numpy._core.multiarray" in content
    (tmp_path / "w").write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    torch.testing.assert_close(read_torch(tmp_path / "w", Format.TORCH_LEGACY)["weight"], WEIGHT)


def test_nothing_harmless_is_made_itself():
    """What stands in for a type is ours, so that a name on the list gives a file no more than a name."""
    assert {stand_in.__module__ for stand_in in HARMLESS.values()} == {StandIn.__module__}


class Tells:
    """A numpy scalar's bytes, a dtype's state and a call of getattr, as no library writes them."""

    def __reduce__(self):
        return getattr, (argparse.Namespace(call=print), "call")


def test_a_listed_function_is_not_called(tmp_path, capsys):
    state = loaded(tmp_path / "w", {"dtype": np.dtype("float64"), "call": argparse.Namespace(getattr=getattr)})
    assert isinstance(state["beside"]["call"], StandIn)
    with pytest.raises(InputError, match=r"refused, it holds builtins\.print"):
        loaded(tmp_path / "w", Tells())
    assert capsys.readouterr().out == ""


def test_torchs_own_list_is_left_as_it_was(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    loaded(tmp_path / "w", OBJECTS["Namespace"])
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "w", weights_only=True)


def test_only_what_is_used_is_read(tmp_path):
    """Of a checkpoint in the zip format a tensor is a view of the file."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    state = loaded(tmp_path / "w", None)
    assert str(tmp_path / "w") in maps.read_text()
    del state
    state = read_torch(tmp_path / "w", Format.TORCH_ZIP, mapped=False)
    assert str(tmp_path / "w") not in maps.read_text()
    torch.testing.assert_close(state["weight"], WEIGHT)


def test_a_checkpoint_of_a_gpu_loads_without_one(tmp_path):
    torch.save({"weight": WEIGHT}, tmp_path / "w", _use_new_zipfile_serialization=False)
    content = (tmp_path / "w").read_bytes()
    storage, place = b"ctorch\nFloatStorage\n", b"X\x03\x00\x00\x00cpu"
    assert content.count(storage) == content.count(place) == 1
    moved = content.replace(storage, b"ctorch.cuda\nFloatStorage\n").replace(place, b"X\x06\x00\x00\x00cuda:0")
    for changed in (moved, content.replace(place, b"X\x06\x00\x00\x00cuda:0")):
        (tmp_path / "w").write_bytes(changed)
        torch.testing.assert_close(read_torch(tmp_path / "w", Format.TORCH_LEGACY)["weight"], WEIGHT)
