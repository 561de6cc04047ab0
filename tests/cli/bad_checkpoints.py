"""Files that are no weights of a network: how each kind is written, what `--weights` is given, what the line says."""

from __future__ import annotations

import bz2
import codecs
import enum
import functools
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save, save_file
from torch import nn

USAGE, INPUT = 2, 3
HUGE = 4 << 30
NET = """
import torch
def net():
    return torch.nn.Conv2d(3, 19, 1)
"""
MARKER = "executed"


class Bad(NamedTuple):
    """Writes the file at a path; `named` is part of the line, `given` what follows the file in `--weights`."""

    write: Callable[[Path], object]
    named: str
    code: int = INPUT
    given: str = ""
    options: tuple[str, ...] = ()


def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.zeros(19, 3, 1, 1), "bias": torch.zeros(19)}


def data(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def torch_save(content: object, **how) -> Callable[[Path], object]:
    return lambda path: torch.save(content, path, **how)


def legacy(content: object) -> Callable[[Path], object]:
    return torch_save(content, _use_new_zipfile_serialization=False)


def saved(content: object = None, **how) -> bytes:
    stream = io.BytesIO()
    torch.save(state() if content is None else content, stream, **how)
    return stream.getvalue()


def changed(change: Callable[[bytearray], object], **how) -> Callable[[Path], object]:
    """A checkpoint whose bytes were changed."""

    def write(path):
        content = bytearray(saved(**how))
        path.write_bytes(change(content) or content)

    return write


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return stream.getvalue()


def raw_zip(name: str, content: bytes, method: int, size: int, entries: int = 1) -> bytes:
    """A zip archive of one member that claims `size` bytes, listed `entries` times."""
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, method, 0, 0, 0, len(content), size, len(name), 0)
    local += name.encode() + content
    listed = b"".join(
        struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, method, 0, 0, 0, len(content), size, len(each), 0, 0, 0, 0, 0, 0
        )
        + each.encode()
        for each in [name, *(f"w/data/{i}" for i in range(1, entries))]
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, entries, entries, len(listed), len(local), 0)
    return local + listed + end


class Doubled:
    """Bytes in hex, of bytes in hex, and so on: each doubles what is inside."""

    def __init__(self, levels: int) -> None:
        self.levels = levels

    def __reduce__(self) -> tuple[object, ...]:
        inner = Doubled(self.levels - 1) if self.levels else b"x"
        return codecs.encode, (inner, "hex")


def zip_bomb() -> bytes:
    """Three gigabytes of zeros in three megabytes: a deflated megabyte that stands by itself, many times."""
    deflate = zlib.compressobj(9, wbits=-15)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return raw_zip("w/data.pkl", block * 3000 + b"\x03\x00", zipfile.ZIP_DEFLATED, 3000 << 20)


def with_pickle(pickled: bytes) -> bytes:
    """A file in torch's zip format with this pickle."""
    return archive({"w/data.pkl": pickled, "w/byteorder": b"little", "w/data/0": bytes(64), "w/version": b"3\n"})


def lying_storage() -> bytes:
    """A checkpoint of one storage, said to hold 2**40 numbers."""
    with zipfile.ZipFile(io.BytesIO(saved({"weight": torch.zeros(3)}))) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    name = next(each for each in members if each.endswith("data.pkl"))
    number = b"K\x03"
    assert members[name].count(number) == 2, "of the storage and of the shape"
    members[name] = members[name].replace(number, b"\x8a\x06" + (1 << 40).to_bytes(6, "little"))
    return archive(members)


def lying_legacy() -> bytes:
    content = saved({"weight": torch.zeros(3)}, _use_new_zipfile_serialization=False)
    return content.replace(b"K\x03", b"\x8a\x06" + (1 << 40).to_bytes(6, "little"))


def safetensors(header: object, content: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + content


def shared(levels: int, width: int) -> object:
    """A file of a few kilobytes whose lists hold each other: `width ** levels` values, were they written out."""
    value: object = [1] * width
    for _ in range(levels):
        value = [value] * width
    return {"history": value}


def itself() -> dict:
    value: dict = {"epoch": 1}
    value["self"] = value
    return value


class Runs:
    """What a pickle runs when it is loaded."""

    def __init__(self, *call) -> None:
        self.call = call

    def __reduce__(self):
        return self.call


class Metric(enum.Enum):
    MIOU = "miou"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 19, 1)


def tar(path: Path) -> None:
    content = saved()
    with tarfile.open(path, "w") as file:
        member = tarfile.TarInfo("w.pth")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))


def script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 19, 1), torch.zeros(1, 3, 4, 4)), str(path))


def script_net(path: Path) -> None:
    torch.save(Net(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(Net.__module__.encode(), b"__main__"))


def picture(form: str) -> Callable[[Path], object]:
    return lambda path: Image.new("RGB", (8, 8)).save(path, form)


def array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weight=np.zeros(3))


def folder(path: Path) -> None:
    path.mkdir()
    save_file(state(), path / "model.safetensors")


# version 8; producer "pytorch"; an empty graph
ONNX = b"\x08\x08\x12\x07pytorch\x3a\x00"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"
# `bytearray(4 GB)`
BYTEARRAY = b"\x80\x02c__builtin__\nbytearray\n\x8a\x05" + HUGE.to_bytes(5, "little") + b"\x85R."
# protocol 0, as `pickle.dump` of Python 2 wrote
INST = b"\x80\x02(S'touch executed'\nios\nsystem\n."

NOT_WEIGHTS = {
    "empty": Bad(data(b""), "is empty; fetch the file again"),
    "git-lfs pointer": Bad(data(POINTER), "git lfs pull"),
    "web page": Bad(data(b"\n<!DOCTYPE html><html><title>Sign in</title>"), "is a web page"),
    "web page with a byte order mark": Bad(data(b"\xef\xbb\xbf<html>"), "is a web page"),
    "error of a store": Bad(data(b'<?xml version="1.0"?><Error>AccessDenied</Error>'), "is a web page"),
    "gzip": Bad(lambda path: path.write_bytes(gzip.compress(saved())), "run gunzip"),
    "bzip2": Bad(lambda path: path.write_bytes(bz2.compress(saved())), "run bunzip2"),
    "xz": Bad(lambda path: path.write_bytes(lzma.compress(saved())), "run unxz"),
    "zstd": Bad(data(b"\x28\xb5\x2f\xfd\x04\x00"), "run unzstd"),
    "7z": Bad(data(b"7z\xbc\xaf\x27\x1c\x00\x04"), "unpack it"),
    "rar": Bad(data(b"Rar!\x1a\x07\x01\x00"), "unpack it"),
    "tar": Bad(tar, "unpack it"),
    "zip of a checkpoint": Bad(lambda path: path.write_bytes(archive({"w.pth": saved()})), "other files (w.pth)"),
    "empty zip": Bad(data(archive({})), "without files"),
    "numpy array": Bad(array, "is a numpy array"),
    "numpy arrays": Bad(arrays, "numpy arrays; write a dict of tensors"),
    "HDF5": Bad(data(b"\x89HDF\r\n\x1a\n\x00"), "HDF5"),
    "Keras": Bad(data(archive({"config.json": b"{}", "model.weights.h5": b""})), "Keras"),
    "MATLAB": Bad(data(b"MATLAB 5.0 MAT-file, Platform: GLNXA64"), "MATLAB"),
    "GGUF": Bad(data(b"GGUF\x03\x00\x00\x00"), "GGUF"),
    "TensorFlow Lite": Bad(data(b"\x1c\x00\x00\x00TFL3\x14\x00"), "TensorFlow Lite"),
    "TensorFlow": Bad(data(b"\x08\x01\x12\xff\x10\x0a\x9b"), "is a TensorFlow model"),
    "ONNX": Bad(data(ONNX), "is an ONNX model; give it as the model, -m onnx:FILE"),
    "TorchScript": Bad(script, "torch.jit.load('w.pth', 'cpu').state_dict(), 'w-weights.pth')"),
    "torch.export": Bad(data(archive({"w/archive_format": b"pt2"})), "torch.export.load('w.pth')"),
    "PNG": Bad(picture("png"), "is an image"),
    "JPEG": Bad(picture("jpeg"), "is an image"),
    "PDF": Bad(data(b"%PDF-1.7\n\xe2\xe3"), "PDF"),
    "zeros": Bad(data(bytes(4096)), "begins with zeros"),
    "JSON": Bad(data(b'{"weight_map": {"weight": "model-00001.safetensors"}}'), "is JSON text"),
    "text": Bad(data(b"model: deeplabv3\nepochs: 3\n"), "is a text file"),
    "bytes": Bad(data(bytes(range(200, 256))), "it begins with c8 c9 ca cb cc cd ce cf"),
    "pickle": Bad(lambda path: path.write_bytes(pickle.dumps({"weight": 1.0})), "torch.save did not write"),
    "pickle of arrays": Bad(
        lambda path: path.write_bytes(pickle.dumps({"model": {"weight": np.zeros(3)}}, 2)), "torch.save did not write"
    ),
    "folder": Bad(folder, "is a folder; give the file of weights in it: model.safetensors"),
    "nothing": Bad(lambda path: None, "no such file"),
    "device": Bad(lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
}
DAMAGED = {
    "cut": Bad(changed(lambda content: content[: len(content) // 2]), "damaged or cut"),
    "cut at the start": Bad(data(b"PK\x03\x04broken"), "damaged or cut"),
    "a flipped bit": Bad(
        changed(lambda content: content.__setitem__(content.index(b"/data/0") + 64 + 7, 1)), "another checksum"
    ),
    "old format, cut": Bad(changed(lambda c: c[:-40], _use_new_zipfile_serialization=False), "damaged"),
    "old format, no more than a start": Bad(changed(lambda c: c[:15], _use_new_zipfile_serialization=False), "damaged"),
    "old format, other bytes": Bad(
        changed(lambda c: c[:15] + bytes(range(99)), _use_new_zipfile_serialization=False), "damaged"
    ),
    "safetensors, cut": Bad(data(save(state())[:-9]), "what its header says does not fit its bytes"),
    "safetensors, no header": Bad(data(safetensors(b"{weight")), "what its header says does not fit"),
    "safetensors, overlapping": Bad(
        data(safetensors({k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in "ab"}, bytes(4))),
        "what its header says does not fit",
    ),
}
TOO_LARGE = {
    "doubled bytes": Bad(lambda path: torch.save({"state_dict": Doubled(30)}, path), "_codecs.encode[hex]"),
    "zip bomb": Bad(lambda path: path.write_bytes(zip_bomb()), "compressed zip"),
    "zip that lies": Bad(data(raw_zip("w/data.pkl", b"N.", zipfile.ZIP_STORED, (4 << 30) - 2)), "claims 4294967294"),
    "zip that overlaps": Bad(data(raw_zip("w/data.pkl", bytes(1 << 20), zipfile.ZIP_STORED, 1 << 20, 4000)), "claims"),
    "zip written anew, compressed": Bad(
        data(archive({"w/data.pkl": pickle.dumps({}, 2)}, zipfile.ZIP_DEFLATED)), "compressed zip"
    ),
    "zip of two pickles": Bad(data(archive({"a/data.pkl": b"N.", "b/data.pkl": b"N."})), "other files"),
    "safetensors that lies about its header": Bad(data(safetensors({}, length=1 << 62)), "4611686018427387904 bytes"),
    "safetensors that lies about a shape": Bad(
        data(safetensors({"weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, bytes(4))),
        "what its header says does not fit",
    ),
    "bytearray": Bad(data(with_pickle(BYTEARRAY)), "refused, it holds builtins.bytearray"),
    "storage that lies": Bad(lambda path: path.write_bytes(lying_storage()), "damaged"),
    "old format, storage that lies": Bad(lambda path: path.write_bytes(lying_legacy()), "damaged"),
    "tensor without strides": Bad(
        torch_save({"weight": torch.zeros(1).expand(10**6, 10**6), "bias": torch.zeros(19)}),
        "1 of another shape (weight (1000000, 1000000) for (19, 3, 1, 1))",
    ),
    "lists in lists": Bad(
        data(with_pickle(b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".")), "holds no named tensors"
    ),
    "lists of one another": Bad(torch_save(shared(6, 300)), "more than"),
    "a dict of itself": Bad(torch_save(itself()), "holds no named tensors; its entries are epoch, self"),
}
CODE = {
    "a call": Bad(torch_save({"weight": Runs(os.mkdir, (MARKER,))}), "refused, it holds posix.mkdir"),
    "a call, old format": Bad(legacy({"weight": Runs(os.mkdir, (MARKER,))}), "refused, it holds posix.mkdir"),
    "eval": Bad(torch_save(Runs(eval, (f"__import__('os').mkdir({MARKER!r})",))), "builtins.eval"),
    "a call of old Python": Bad(data(with_pickle(INST)), "os.system"),
    "a call by protocol 4": Bad(torch_save({"weight": Runs(os.mkdir, (MARKER,))}, pickle_protocol=4), "posix.mkdir"),
    "a call, then nothing": Bad(data(with_pickle(b"\x80\x02cos\nmkdir\n(X\x08\x00\x00\x00executedtR0")), "damaged"),
    "a whole network": Bad(torch_save(Net()), "c = torch.load('w.pth', map_location='cpu', weights_only=False)"),
    "a whole network, old format": Bad(legacy(Net()), "bad_checkpoints.Net"),
    "a network of a script": Bad(script_net, 'python -c "from SCRIPT import Net; import torch; '),
    "a network in an entry": Bad(torch_save({"epoch": 1, "model": Net()}), "c['model'].state_dict()"),
    "a loss": Bad(
        torch_save({"state_dict": state(), "hyper_parameters": {"loss": nn.CrossEntropyLoss()}}),
        "torch.save(c['state_dict'], 'w-weights.pth')",
    ),
    "an entry that ends the command": Bad(
        torch_save({"x'; rm -r .; '": state(), "loss": nn.CrossEntropyLoss()}), "c.get('state_dict', c.get('model', c))"
    ),
    "an enum": Bad(torch_save(state() | {"metric": Metric.MIOU}), "bad_checkpoints.Metric"),
    "a function": Bad(torch_save(state() | {"norm": functools.partial(nn.BatchNorm2d, eps=1.0)}), "functools.partial"),
    "a newer pickle": Bad(torch_save(state(), pickle_protocol=4), "protocol 4"),
    "a sparse tensor": Bad(torch_save(state() | {"graph": torch.eye(3).to_sparse()}), "_rebuild_sparse_tensor"),
    "a tensor without values": Bad(torch_save({"weight": torch.zeros(3, device="meta")}), "_rebuild_meta_tensor"),
}
DOES_NOT_FIT = {
    "no tensors": Bad(torch_save({"epoch": 3, "best": 0.5}), "holds no named tensors; its entries are epoch, best"),
    "a tensor": Bad(torch_save(torch.zeros(3)), "holds no named tensors; it is a Tensor"),
    "an optimiser": Bad(
        torch_save({"optimizer": torch.optim.SGD([torch.zeros(1)], 0.1).state_dict()}), "holds no named tensors"
    ),
    "another network": Bad(torch_save({"conv1.kernel": torch.zeros(3)}), "2 missing (weight, bias)"),
    "another number of classes": Bad(
        torch_save({"weight": torch.zeros(11, 3, 1, 1), "bias": torch.zeros(11)}),
        "11 outputs for 19: give the --classes",
    ),
    "a missing key": Bad(torch_save({"state_dict": {"weight": state()["weight"]}}), "w.pth:state_dict: weights do not"),
    "an extra key": Bad(
        torch_save({"state_dict": state() | {"criterion.weight": torch.ones(19)}}),
        "1 key that the network lacks (criterion.weight); --ignore-unexpected",
    ),
    "a missing key beside an extra one": Bad(
        torch_save({"weight": state()["weight"], "criterion.weight": torch.ones(19)}),
        "1 missing (bias)",
        options=("--ignore-unexpected",),
    ),
    "numbers that are none": Bad(torch_save(state() | {"bias": torch.full((19,), torch.nan)}), "1 not finite (bias)"),
    "whole numbers": Bad(
        torch_save(state() | {"bias": torch.zeros(19, dtype=torch.int8)}),
        "1 of numbers that are not floating (quantised?) (bias)",
    ),
    "complex numbers": Bad(torch_save(state() | {"bias": torch.zeros(19) * 1j}), "not floating"),
    "names with escape codes": Bad(
        torch_save(state() | {"\x1b[31mred\nline" + "x" * 500: torch.zeros(1)}), "(?[31mred?line"
    ),
    "two that fit": Bad(
        torch_save({"student": state(), "teacher": {k: v + 1 for k, v in state().items()}}),
        "several entries fit the network (student, teacher); name one, as in --weights w.pth:KEY",
        USAGE,
    ),
    "an unknown entry": Bad(torch_save({"model_ema": state()}), "did you mean model_ema?", USAGE, ":model_emma"),
    "an entry like no other": Bad(
        torch_save({"model": state()}), "unknown entry 'generator'; known: model", USAGE, ":generator"
    ),
    "an entry without tensors": Bad(torch_save({"model": state(), "epoch": 3}), "'epoch'", USAGE, ":epoch"),
    "an entry without a name": Bad(torch_save({"model": state()}), "write FILE:KEY", USAGE, ":"),
}
BAD = NOT_WEIGHTS | DAMAGED | TOO_LARGE | CODE | DOES_NOT_FIT
AS_MODELS = {
    "a whole network": Bad(torch_save(Net()), "c.state_dict(), 'w-weights.pth')"),
    "a state dict": Bad(torch_save(state()), "-m FILE.py:factory --weights w.pth", USAGE),
    "safetensors": Bad(lambda path: save_file(state(), path), "-m FILE.py:factory --weights w.pth", USAGE),
    "TorchScript": Bad(script, "is a TorchScript program"),
    "ONNX": Bad(data(ONNX), "is an ONNX model"),
    "a pointer": Bad(data(POINTER), "git lfs pull"),
    "a cut file": Bad(changed(lambda content: content[:99]), "fetch or write the file again"),
    "nothing": Bad(lambda path: None, "w.pth: no such file"),
    "an entry": Bad(torch_save({"model": state()}), "-m FILE.py:factory --weights w.pth", USAGE, ":model"),
}
