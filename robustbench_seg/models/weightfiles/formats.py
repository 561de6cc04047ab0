"""What a file is by its first bytes, whatever it is called; what to do with one that holds no weights to be read."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from robustbench_seg.errors import InputError
from robustbench_seg.models.weightfiles.archive import refuse_other_archives

_HEAD = 512
"""Bytes that are looked at; tar is known by its 258th."""


class Format(Enum):
    """What weights are read from."""

    TORCH_ZIP = "torch.save"
    TORCH_LEGACY = "torch.save before 1.6"
    SAFETENSORS = "safetensors"


class _Kind(NamedTuple):
    start: re.Pattern[bytes]
    what: str
    advice: str


def _kind(start: bytes, what: str, advice: str) -> _Kind:
    return _Kind(re.compile(start, re.DOTALL | re.IGNORECASE), what, advice)


_FETCH = "fetch the file again"
_UNPACK = "unpack it and give the file in it"
_CONVERT = "load it with its own library and write a dict of its tensors with torch.save or safetensors"
_NEEDS_CODE = "give the code that builds the network as -m FILE.py:factory and its state dict as --weights"

_READ = {
    Format.TORCH_ZIP: re.compile(rb"PK\x03\x04"),
    # A pickle of torch's magic number.
    Format.TORCH_LEGACY: re.compile(rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\."),
    # The length of the header, then the header, which is JSON.
    Format.SAFETENSORS: re.compile(rb".{8}\{", re.DOTALL),
}
# The first that fits is taken.
_OTHERS = (
    _kind(rb"\Z", "is empty", _FETCH),
    _kind(rb"version https://git-lfs", "is a git-lfs pointer, not the file", "run `git lfs pull` where it was cloned"),
    _kind(rb"(\xef\xbb\xbf)?\s*(<!doctype|<html|<head|<\?xml)", "is a web page, not the file it leads to", _FETCH),
    _kind(rb"PK", "is a zip archive without files", _FETCH),
    _kind(rb"\x1f\x8b", "is compressed (gzip)", "run gunzip on it (tar xf, if it is a .tar.gz)"),
    _kind(rb"BZh", "is compressed (bzip2)", "run bunzip2 on it"),
    _kind(rb"\xfd7zXZ\x00", "is compressed (xz)", "run unxz on it"),
    _kind(rb"\x28\xb5\x2f\xfd", "is compressed (zstd)", "run unzstd on it"),
    _kind(rb"7z\xbc\xaf|Rar!|.{257}ustar", "is an archive (7z, rar or tar)", _UNPACK),
    _kind(rb"\x93NUMPY", "is a numpy array", "write a dict of tensors by name with torch.save or safetensors"),
    _kind(rb"\x89HDF", "is an HDF5 file (Keras)", _CONVERT),
    _kind(rb"MATLAB", "is a MATLAB file", _CONVERT),
    _kind(rb"GGUF|GGML", "is a GGUF file", _CONVERT),
    _kind(rb".{4}TFL3", "is a TensorFlow Lite model", _NEEDS_CODE),
    # Protobuf: field 1 is the version (TensorFlow's is 1, ONNX's is 3 or more), then another field of the model.
    _kind(rb"\x08\x01\x12", "is a TensorFlow model", _NEEDS_CODE),
    _kind(rb"\x08[\x03-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]", "is an ONNX model", "give it as the model, -m onnx:FILE"),
    _kind(rb"\x80[\x02-\x05]", "is a pickle that torch.save did not write, refused because it may run code", _CONVERT),
    _kind(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF", "is an image", "give the file of weights"),
    _kind(rb"%PDF", "is a PDF document", "give the file of weights"),
    _kind(rb"\x00{16}", "begins with zeros: it was not written or fetched to its end", _FETCH),
    _kind(rb"\s*[\[{]", "is JSON text", "give the file of weights beside it (.safetensors, .pt, .pth)"),
    _kind(rb"[\t\n\r\x20-\x7e]+\Z", "is a text file", "give the file of weights (.safetensors, .pt, .pth)"),
)


def format_of(path: Path) -> Format:
    """The format of a file of weights; InputError with one line on what to do where it is none."""
    head = _head(path)
    for readable, start in _READ.items():
        if start.match(head):
            if readable is Format.TORCH_ZIP:
                refuse_other_archives(path)
            return readable
    for kind in _OTHERS:
        if kind.start.match(head):
            raise InputError(f"{path}: {kind.what}; {kind.advice}")
    raise InputError(
        f"{path}: no file of weights that is known, it begins with {head[:8].hex(' ')}; "
        "give safetensors or what torch.save wrote"
    )


def _head(path: Path) -> bytes:
    if path.is_dir():
        inside = sorted(file.name for file in path.iterdir() if file.suffix in (".safetensors", ".pt", ".pth", ".ckpt"))
        hint = f": {', '.join(inside[:3])}" if inside else ""
        raise InputError(f"{path}: is a folder; give the file of weights in it{hint}")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_file():  # a device or pipe may have no end
        raise InputError(f"{path}: not a regular file; give a file of weights")
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise InputError(f"{path}: cannot read weights: {error.strerror}") from None
