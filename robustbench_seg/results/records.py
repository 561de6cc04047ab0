"""What a worker returns: one record per image and cell, and how statistics are packed into bytes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.tasks.base import Statistics


@dataclass(frozen=True)
class ImageResult:
    """One image in one cell.

    `rms`, `linf` in units of 1/255; `snr_db` None where nothing moved; `unchanged`: the perturbation is 0;
    `skipped`: the image has no value in this cell (hiding a class it does not have); `reached`: whether a gradient that
    the attack took there was not zero (None: it took none, or the image has no target); `error` is set where it failed;
    `outcome` counts what the attack reached; `statistics` packed, by task.
    """

    image: int
    error: str = ""
    rms: float = 0.0
    linf: float = 0.0
    snr_db: float | None = None
    unchanged: bool = False
    skipped: bool = False
    reached: bool | None = None
    outcome: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, bytes] = field(default_factory=dict)
    pngs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class CellResult:
    """One cell of a configuration on one shard, with what it cost beyond the cells before it."""

    epsilon: float | None
    images: tuple[ImageResult, ...]
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class SweepResult:
    """One configuration of one work item: every cell on every image of the shard; `worker` (`host:pid`) did it."""

    pair: int
    configuration: int
    shard: int
    cells: tuple[CellResult, ...]
    worker: str = ""


def pack(statistics: Statistics) -> bytes:
    """Return arrays by name as compressed bytes: a JSON line of names and shapes, then float64 values."""
    arrays = {key: np.asarray(value, np.float64) for key, value in sorted(statistics.items())}
    header = json.dumps({key: array.shape for key, array in arrays.items()}).encode()
    return zlib.compress(header + b"\n" + b"".join(array.tobytes() for array in arrays.values()), 1)


def unpack(data: bytes) -> Statistics:
    """Return what `pack` was given."""
    raw = zlib.decompress(data)
    end = raw.index(b"\n")
    offset, arrays = end + 1, {}
    for key, shape in json.loads(raw[:end]).items():
        count = int(np.prod(shape))
        arrays[key] = np.frombuffer(raw, np.float64, count, offset).reshape(shape)
        offset += 8 * count
    return arrays
