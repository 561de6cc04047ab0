"""Which images are left out together for intervals: one at a time, or a clip, or a block of its frames."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from robustbench_seg.tasks.base import Floats

MIN_GROUPS = 8
BLOCK = 20
MOST = 200
"""No more sets of images than this are left out in turn: more degrees of freedom change no interval."""

_Indices = npt.NDArray[np.intp]


def leave_out_weights(groups: Sequence[str]) -> tuple[Floats, str]:
    """Weights of n images that are 0 for one set of them and 1 for the others, for each set (U,n), and which sets.

    The sets are the groups (clips). Fewer than eight groups say too little about their spread: then they are blocks of
    20 consecutive frames (Künsch 1989), shorter ones where there are not four blocks. Where there are more than 200
    sets, neighbouring ones are left out together.
    """
    sets, text, caveat = _sets(groups)
    if len(sets) < 2:
        return np.full((0, len(groups)), np.nan), "one image: no interval"
    if len(sets) > MOST:
        text = f"{MOST} sets of neighbours among {text}"
        sets = [np.concatenate(part) for part in _split(sets, MOST)]
    weights = np.ones((len(sets), len(groups)))
    for row, images in zip(weights, sets, strict=True):
        row[images] = 0
    return weights, f"t intervals, leaving out each of {text} in turn (jackknife){caveat}"


def _sets(groups: Sequence[str]) -> tuple[list[_Indices], str, str]:
    """The images of each set, what the sets are, and what must be said of them."""
    n = len(groups)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    # In the order of the images, so that neighbours are neighbours.
    order = np.argsort(index, kind="stable")
    clips = sorted(np.split(order, np.cumsum(np.bincount(index))[:-1]), key=lambda images: int(images[0]))
    if len(names) == n:
        return clips, f"{n} images", ""
    if len(names) >= MIN_GROUPS:
        return clips, f"{len(names)} groups", ""
    length = max(1, min(BLOCK, n // 4))
    blocks = [block for clip in clips for block in np.array_split(clip, max(1, round(len(clip) / length)))]
    caveat = f"; {n} frames are too few for blocks of {BLOCK}, so they may be too narrow" if length < BLOCK else ""
    clip = "1 clip" if len(names) == 1 else f"{len(names)} clips"
    return blocks, f"{len(blocks)} blocks of {length} consecutive frames of {clip}", caveat


def _split(sets: Sequence[_Indices], count: int) -> list[list[_Indices]]:
    """Neighbouring sets together, in so many parts of nearly equal numbers."""
    ends = np.linspace(0, len(sets), count + 1).round().astype(int)
    return [list(sets[start:end]) for start, end in itertools.pairwise(ends.tolist())]
