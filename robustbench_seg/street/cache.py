"""Rendered samples on disk: compact arrays, one file a frame, safe to share between processes.

A file is written beside its name and moved into place, so that a reader sees a whole file or none. Whatever is
wrong with a file or folder, the caller renders instead: a cache may slow down, never fail.
"""

from __future__ import annotations

import os
import secrets
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.base import Sample
from robustbench_seg.errors import InputError
from robustbench_seg.street.labels import SMALLEST

Packed = dict[str, npt.NDArray[np.generic]]

_UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
_STEPS = np.float32(32767)
_LABELS = ("semantic", "depth", "normals", "edges", "instances")
"""What `pack` and `unpack` know."""


def default_folder() -> Path | None:
    """`$ROBUSTSEG_CACHE`, else `robustseg` in the platform's folder for caches; None where there is no home."""
    if named := os.environ.get("ROBUSTSEG_CACHE"):
        return Path(named).expanduser()
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "robustseg" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "robustseg"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "robustseg"


@dataclass(frozen=True)
class Cache:
    """Samples by name in a folder, as packed arrays; without a folder nothing is kept."""

    folder: Path | None

    def get(self, name: str, make: Callable[[], Packed]) -> Sample:
        """The sample kept under `name`, else made and kept."""
        if self.folder is None:
            return unpack(name, make())
        path = self.folder / f"{name}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                # Unpacked in here: a file of before a label was added lacks its array.
                return unpack(name, {key: stored[key] for key in stored.files})
        except _UNREADABLE:
            made = make()
            _write(path, made)
            return unpack(name, made)


def _write(path: Path, arrays: Packed) -> None:
    temporary = path.with_name(f".{path.stem}-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError:
        return


def pack(image: npt.NDArray[np.uint8], labels: Mapping[str, Any], camera: Mapping[str, Any]) -> Packed:
    """A sample as few bytes: normals in steps of 1/32767, edges and masks as bits.

    InputError for a label that has no packing, which would be lost.
    """
    for key in labels:
        if key not in _LABELS:
            raise InputError(
                f"street has no packing for label '{key}'; add it to pack and unpack in street/cache.py "
                "and raise VERSION in street/dataset.py"
            )
    things = labels["instances"]
    return {
        "image": image,
        "semantic": labels["semantic"],
        "depth": labels["depth"],
        "normals": np.rint(labels["normals"] * _STEPS).astype(np.int16),
        "edges": np.packbits(labels["edges"]),
        "boxes": things["boxes"],
        "labels": things["labels"],
        "masks": np.packbits(things["masks"]),
        "instance_depth": things["depth"],
        "intrinsics": camera["intrinsics"],
        "pose": camera["pose"],
    }


def unpack(name: str, packed: Packed) -> Sample:
    """The sample of packed arrays."""
    semantic = packed["semantic"]
    count, pixels = len(packed["labels"]), semantic.size
    masks = np.unpackbits(packed["masks"], count=count * pixels).reshape(count, *semantic.shape)  # type: ignore[arg-type]
    normals = packed["normals"].astype(np.float32)
    length = np.sqrt((normals * normals).sum(0))
    labels = {
        "semantic": semantic,
        "depth": packed["depth"],
        "normals": normals / np.maximum(length, 1),
        "edges": np.unpackbits(packed["edges"], count=pixels).reshape(semantic.shape),  # type: ignore[arg-type]
        "instances": {
            "boxes": packed["boxes"],
            "labels": packed["labels"],
            "masks": masks.astype(np.bool_),
            "depth": packed["instance_depth"],
            "smallest": np.array(SMALLEST),
        },
    }
    camera = {"intrinsics": packed["intrinsics"], "pose": packed["pose"]}
    return Sample(name, packed["image"], labels, camera)  # type: ignore[arg-type]
