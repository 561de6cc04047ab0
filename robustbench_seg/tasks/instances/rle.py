"""Run-length encoding of masks as COCO has it: columns first, runs of 0 and 1 in turn, the first of 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def encode(masks: Masks) -> list[Any]:
    """Masks (D,H,W) as pycocotools' compressed objects."""
    columns = np.ascontiguousarray(masks.transpose(0, 2, 1)).view(np.uint8)
    return list(coco.encode(columns.transpose(2, 1, 0)))


def to_runs(masks: Masks) -> dict[str, Floats]:
    """Masks (D,H,W) as numbers to store.

    `runs`: the lengths of all runs one mask after another, `run_counts` (D,): how many of them each mask has,
    `mask_size` (2,): H, W. `from_runs` is the inverse.
    """
    count, height, width = masks.shape
    size = height * width
    pixels = np.zeros((count, size + 1), np.bool_)
    pixels[:, 1:] = masks.transpose(0, 2, 1).reshape(count, size)
    # A run ends where the pixel differs from the one before (at first a 0), and at the end of the mask.
    ends = np.ones_like(pixels)
    np.not_equal(pixels[:, 1:], pixels[:, :-1], out=ends[:, :-1])
    owner, end = np.divmod(np.flatnonzero(ends), size + 1)
    return {
        "runs": np.diff(owner * size + end, prepend=0).astype(np.float64),
        "run_counts": np.bincount(owner, minlength=count).astype(np.float64),
        "mask_size": np.array([height, width], np.float64),
    }


def from_runs(stored: Mapping[str, Floats]) -> Masks:
    """The masks (D,H,W) that `to_runs` stored."""
    height, width = stored["mask_size"].astype(np.int64)
    counts, runs = stored["run_counts"].astype(np.int64), stored["runs"].astype(np.int64)
    # The place of each run within its mask: runs at odd places are of 1.
    place = np.arange(len(runs)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = np.repeat(place % 2 == 1, runs).reshape(len(counts), width, height)
    return flat.transpose(0, 2, 1)
