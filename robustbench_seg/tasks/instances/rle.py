"""Run-length encoding of masks as COCO has it: columns first, runs of 0 and 1 in turn, the first of 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def run_lengths(masks: Masks) -> list[Ints]:
    """The lengths of the runs of each mask (D,H,W)."""
    return [_run_lengths(mask) for mask in masks]


def _run_lengths(mask: Masks) -> Ints:
    height = len(mask)
    # Only columns with a pixel are looked at: those of 100 small masks in a large image are few.
    columns = np.flatnonzero(np.bitwise_or.reduce(mask.view(np.uint8), 0))
    if not len(columns):
        return np.array([mask.size])
    first, last = columns[0], columns[-1] + 1
    pixels = np.zeros((last - first) * height + 2, np.bool_)
    pixels[1:-1] = mask[:, first:last].T.ravel()
    # A run ends where the pixel differs from the one before (at first a 0), and at the end of the mask.
    ends = first * height + np.flatnonzero(pixels[1:] != pixels[:-1])
    return np.diff(ends if ends[-1] == mask.size else np.append(ends, mask.size), prepend=0)


def encode(lengths: list[Ints], size: tuple[int, int]) -> list[Any]:
    """Masks of `size` (H,W) as pycocotools' compressed objects, of their runs."""
    counted = [{"size": list(size), "counts": runs} for runs in lengths]
    return list(coco.frPyObjects(counted, *size)) if counted else []


def to_store(lengths: list[Ints], size: tuple[int, int]) -> dict[str, Floats]:
    """Masks of `size` (H,W) as numbers to store, of their runs.

    `runs`: the lengths of all runs one mask after another, `run_counts` (D,): how many of them each mask has,
    `mask_size` (2,): H, W. `from_store` is the inverse.
    """
    return {
        "runs": np.concatenate([np.zeros(0), *lengths]),
        "run_counts": np.array([len(runs) for runs in lengths], np.float64),
        "mask_size": np.array(size, np.float64),
    }


def from_store(stored: Mapping[str, Floats]) -> Masks:
    """The masks (D,H,W) that `to_store` gave."""
    height, width = stored["mask_size"].astype(np.int64)
    counts, runs = stored["run_counts"].astype(np.int64), stored["runs"].astype(np.int64)
    # The place of each run within its mask: runs at odd places are of 1.
    place = np.arange(len(runs)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = np.repeat(place % 2 == 1, runs).reshape(len(counts), width, height)
    return flat.transpose(0, 2, 1)


def from_text(text: str) -> list[int]:
    """The runs that COCO's compressed string of a mask holds; ValueError where it holds none.

    A run is written as base-32 digits of ASCII 48 on, the lowest first, 32 added to all but the last, whose bit 16 is
    the sign; from the fourth run on it is the difference to the run before the last (pycocotools' `rleToString`).
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            raise ValueError(f"{character!r} is no digit of a run")
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        signed = value - (1 << shift) if digit & 16 else value
        runs.append(signed + runs[-2] if len(runs) > 2 else signed)
        value = shift = 0
    if shift:
        raise ValueError("its last run is cut off")
    return runs


def to_mask(runs: Sequence[int], size: tuple[int, int]) -> Masks:
    """The mask (H,W) of `size` that runs stand for; ValueError where they do not fill it."""
    height, width = size
    if any(type(run) is not int or run < 0 for run in runs):
        raise ValueError("a run is not a whole number from 0")
    if sum(runs) != height * width:
        raise ValueError(f"its runs are {sum(runs)} pixels, not the {height * width} of a mask of {width}x{height}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
