"""Reading and writing weights: fp16 safetensors for the catalogue, state dicts fitted to a module."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.registry import printable

# A variance below 6e-8 is 0 in fp16 and above 65504 is infinite; statistics are few, so they stay whole.
_KEPT_FP32 = ("running_mean", "running_var")


def rounded(module: nn.Module) -> dict[str, Tensor]:
    """The module's state on the CPU, floats in fp16 except BatchNorm's running statistics."""
    return {key: _round(key, value.detach().cpu().contiguous()) for key, value in module.state_dict().items()}


def save_weights(module: nn.Module, path: Path) -> str:
    """Writes `rounded(module)` as safetensors, atomically; returns the file's sha256."""
    data = save(rounded(module))
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)
    return hashlib.sha256(data).hexdigest()


def read_safetensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors in a safetensors file; InputError where it is missing, damaged or not the one named."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read weights: {error.strerror}") from None
    actual = hashlib.sha256(data).hexdigest()
    if sha256 is not None and actual != sha256:
        raise InputError(f"{path}: sha256 is {actual[:12]}…, the card says {sha256[:12]}…; fetch the file again")
    header = int.from_bytes(data[:8], "little")
    if header > len(data) - 8:
        raise InputError(
            f"{path}: not a safetensors file: its header would be {header} bytes long, the file is {len(data)}; "
            "fetch the file again"
        )
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError):
        raise InputError(
            f"{path}: not a safetensors file: what its header says does not fit its bytes; fetch the file again"
        ) from None


def fit(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Loads `state` into `module`; all missing, unexpected, misshapen or non-finite entries make one error line."""
    expected = {key: value for key, value in module.state_dict().items() if isinstance(value, Tensor)}
    # Batch counters only matter to a momentum of None, and many files lack them.
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    # Values are looked at where the shape is right alone: a file may claim a tensor of any size.
    fitting = [key for key, value in expected.items() if key in state and state[key].shape == value.shape]
    others = [key for key in fitting if expected[key].is_floating_point() and not state[key].is_floating_point()]
    infinite = [key for key in fitting if key not in others and not torch.isfinite(state[key].float()).all()]
    kinds = {
        "missing": missing,
        "unexpected": unexpected,
        "of another shape": shapes,
        "of numbers that are not floating (quantised?)": others,
        "not finite": infinite,
    }
    problems = [f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in kinds.items() if keys]
    if problems:
        raise InputError(f"{where}: weights do not fit the network: {'; '.join(problems)}")
    module.load_state_dict(dict(state), strict=False)


def digest(module: nn.Module) -> str:
    """The sha256 of a module's state (names, shapes and bytes), for models without a weights file."""
    total = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        total.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _round(key: str, value: Tensor) -> Tensor:
    if not value.is_floating_point() or key.rpartition(".")[2] in _KEPT_FP32:
        return value
    return value.half()


def _first(keys: Sequence[str]) -> str:
    return ", ".join(printable(key) for key in keys[:3]) + (", …" if len(keys) > 3 else "")
