"""Where a run comes from: versions, commit, device."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

_CODE = ("robustbench_seg", "attacks", "models", "pyproject.toml")
_LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "kornia",
    "numpy",
    "pandas",
    "scipy",
    "pillow",
    "matplotlib",
    "safetensors",
)


def provenance(device: str) -> dict[str, Any]:
    """Version (empty if not installed), commit (empty outside a checkout), library versions, device and platform."""
    return {
        "version": _version("robustbench-seg"),
        "commit": commit(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def code(plugins: Sequence[str], attacks: Iterable[type]) -> list[str]:
    """What a resumed run must have too: versions, and the files of plugins and of attacks, as `name sha256`.

    This package's own files are its version's. What a file imports from elsewhere is not seen.
    """
    files = {Path(plugin).resolve() for plugin in plugins} | {file for attack in attacks for file in _foreign(attack)}
    digests = sorted(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files)
    return [f"robustbench-seg {_version('robustbench-seg')}", f"torch {torch.__version__}", *digests]


def _foreign(attack: type) -> list[Path]:
    """The file of an attack from elsewhere; none where it was typed in."""
    if attack.__module__.startswith("robustbench_seg."):
        return []
    try:
        file = Path(inspect.getfile(attack)).resolve()
    except (TypeError, OSError):
        return []
    return [file] if file.is_file() else []


def commit() -> str:
    """The commit of the checkout the package runs from, with `+dirty` where its code differs; empty if installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+dirty" if _git(root, "status", "--porcelain", "--untracked-files=no", "--", *_CODE) else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "cpu"
