"""What torch.save wrote, in its zip format or the older one, as tensors and plain values alone."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from robustbench_seg.errors import InputError
from robustbench_seg.models.weightfiles.archive import read_data
from robustbench_seg.models.weightfiles.formats import Format
from robustbench_seg.models.weightfiles.pickles import Scan, StandIn, scan, stand_ins
from robustbench_seg.registry import printable

# An old file begins with a magic number, the protocol, sizes of the system, the object and the names of storages.
_LEGACY_PICKLES = 5
_PROTOCOL = 2
_SCRIPT = "__main__."
_REBUILD = "torch._utils._rebuild_"
# What no training script saves, and an attack does.
_HOSTILE = (
    "_codecs",
    "builtins",
    "os",
    "posix",
    "nt",
    "sys",
    "subprocess",
    "shutil",
    "socket",
    "runpy",
    "importlib",
    "pickle",
)
# Where nothing can be seen of a file: what finds the usual entries, be they dicts or modules.
_UNSEEN = (
    "(lambda m: m.state_dict() if hasattr(m, 'state_dict') else {k: v for k, v in m.items() if torch.is_tensor(v)})"
    "(c if hasattr(c, 'state_dict') else c.get('state_dict', c.get('model', c)))"
)


class ConversionError(InputError):
    """A file of more than plain tensors; the line says how its weights are written alone."""


def read_torch(path: Path, form: Format, mapped: bool = True) -> Any:
    """What lies in the file, with stand-ins for harmless objects; InputError where it is damaged or names other types.

    `mapped`: tensors are views of the file (in the zip format), so that only those that are used are read.
    """
    try:
        found = _scan(path, form)
    except Exception:  # what a damaged file raises depends on the byte that is wrong
        raise _damaged(path) from None
    if found.refused:
        _refuse(path, form, found.refused)
    if found.protocol > _PROTOCOL:
        raise ConversionError(f"{path}: pickled with protocol {found.protocol}, torch's is 2; {_conversion(path, 'c')}")
    try:
        return _load(path, form, mapped=mapped)
    except pickle.UnpicklingError:
        what = "its pickle is not one of plain tensors"
        raise ConversionError(f"{path}: refused, {what}; {_conversion(path, _UNSEEN)}") from None
    except Exception:
        raise _damaged(path) from None


def _refuse(path: Path, form: Format, types: Sequence[str]) -> NoReturn:
    """Refuse a file that names these types; how it is converted follows from what can be seen without running them."""
    listed = ", ".join(printable(name) for name in types[:3])
    what = f"{path}: refused, it holds {listed}" + (f" and {len(types) - 3} more" if len(types) > 3 else "")
    if any(name.partition(".")[0] in _HOSTILE for name in types):
        raise InputError(f"{what}: an attack may hide in it; ask whoever wrote it for a safetensors file")
    if any(name.startswith(_REBUILD) for name in types):
        raise InputError(
            f"{what}: tensors that are quantised, sparse or without values; write the state dict of the plain network"
        )
    try:
        expression = _expression(_load(path, form, types))
    except Exception:
        expression = _UNSEEN
    raise ConversionError(f"{what}: code, not weights; {_conversion(path, expression, types)}")


def _expression(loaded: object) -> str:
    """The Python that gives the state dict in what a file holds, called c."""
    if isinstance(loaded, StandIn):
        return "c.state_dict()"
    if isinstance(loaded, Mapping):
        # Keys are the file's, and the command is for a shell.
        named = [(key, value) for key, value in loaded.items() if isinstance(key, str) and key.isidentifier()]
        for key, value in named:
            if isinstance(value, Mapping) and any(isinstance(inner, Tensor) for inner in value.values()):
                return f"c[{key!r}]"
        for key, value in named:
            if isinstance(value, StandIn) and key in ("model", "ema", "net", "network", "module"):
                return f"c[{key!r}].state_dict()"
        if any(isinstance(value, Tensor) for value in loaded.values()):
            return "{k: v for k, v in c.items() if torch.is_tensor(v)}"
    return _UNSEEN


def _conversion(path: Path, expression: str, types: Iterable[str] = ()) -> str:
    """The three lines that write the weights alone, as one command; the types of a script have to be imported too."""
    scripts = [name.removeprefix(_SCRIPT) for name in types if name.startswith(_SCRIPT)]
    own = [name for name in scripts if name.isidentifier()]
    statements = (
        *([f"from SCRIPT import {', '.join(own)}"] if own else []),
        "import torch",
        f"c = torch.load({str(path)!r}, map_location='cpu', weights_only=False)",
        f"torch.save({expression}, {f'{path.stem}-weights.pth'!r})",
    )
    return f'if you trust it, run this beside its code (which it runs): python -c "{"; ".join(statements)}"'


def _scan(path: Path, form: Format) -> Scan:
    if form is Format.TORCH_ZIP:
        return scan(io.BytesIO(read_data(path)))
    with path.open("rb") as file:
        return scan(file, _LEGACY_PICKLES)


def _load(path: Path, form: Format, types: Iterable[str] = (), mapped: bool = True) -> Any:
    # torch warns of its own storages and of old pickles, which the user can do nothing about.
    with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins(types)):
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and form is Format.TORCH_ZIP)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: damaged: it begins as a file of torch.save and ends otherwise; fetch or write it again")
