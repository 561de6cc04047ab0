"""Resampling weights for intervals: by groups, or by moving blocks of frames where groups are few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from robustbench_seg.randomness import generator
from robustbench_seg.tasks.base import Floats

RESAMPLES = 1000
MIN_GROUPS = 8
BLOCK = 20


def resample_weights(groups: Sequence[str], seed: int, resamples: int = RESAMPLES) -> tuple[Floats, str]:
    """How often each image is drawn in each resample (R,n), and a sentence that says which bootstrap it is.

    Groups (clips) are drawn with replacement. Fewer than eight say too little about their spread: then
    blocks of 20 consecutive frames are drawn (Künsch 1989), shorter ones where there are not four blocks.
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if len(groups) < 2:
        return np.full((resamples, len(groups)), np.nan), "one image: no interval"
    draw = generator(seed, "bootstrap")
    if len(names) >= MIN_GROUPS:
        counts = draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
        kind = "images" if len(names) == len(groups) else f"{len(names)} groups"
        return counts[:, index].astype(np.float64), f"bootstrap over {kind}, {resamples} resamples"
    length = max(1, min(BLOCK, len(groups) // 4))
    weights = _blocks(index, length, draw, resamples)
    clips = f"{len(names)} clip" + ("s" if len(names) != 1 else "")
    text = f"{clips}: bootstrap over moving blocks of {length} consecutive frames, {resamples} resamples"
    if length < BLOCK:
        text += f"; {len(groups)} frames are too few for blocks of {BLOCK}, so the intervals are too narrow"
    return weights, text


def _blocks(index: npt.NDArray[np.intp], length: int, draw: np.random.Generator, resamples: int) -> Floats:
    """Draw blocks until n images are reached; a block that passes the end of its clip continues at its beginning."""
    n = len(index)
    # Images of a clip are consecutive (see `Dataset.groups`), so a clip is its first image and its size.
    first = np.unique(index, return_index=True)[1][index]
    size = np.bincount(index)[index]
    starts = draw.integers(0, n, (resamples, -(-n // length)))
    within = (starts - first[starts])[..., None] + np.arange(length)
    members = first[starts][..., None] + within % size[starts][..., None]
    weights = np.zeros((resamples, n))
    np.add.at(weights, (np.arange(resamples)[:, None], members.reshape(resamples, -1)[:, :n]), 1.0)
    return weights
