"""Reading and writing weights: fp16 safetensors for the catalogue, state dicts fitted to a module."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.registry import described

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
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from None


def read_pickle(path: Path) -> Any:
    """What `torch.save` wrote, tensors and plain values only: a pickle that asks for code is refused unrun."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused, it is not a plain state dict ({_reason(error)}); loading it could run code. "
            "Save model.state_dict() as safetensors or with torch.save"
        ) from None
    except Exception as error:  # what a damaged file raises depends on the byte that is wrong
        raise InputError(f"{path}: unreadable, it is damaged or no torch file ({_reason(error)})") from None


def fit(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Loads `state` into `module`; all missing, unexpected, misshapen or non-finite entries make one error line."""
    expected = module.state_dict()
    # Batch counters only matter to a momentum of None, and many files lack them.
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    infinite = [key for key, value in state.items() if not torch.isfinite(value).all()]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes, "not finite": infinite}
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
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")


def _reason(error: Exception) -> str:
    return described(error)[:160]
