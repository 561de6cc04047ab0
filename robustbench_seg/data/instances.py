"""The `instances` label of a `Sample`, made of masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.base import Array
from robustbench_seg.data.images import bad_file

Masks = npt.NDArray[np.bool_]
Depth = npt.NDArray[np.float32]

INSTANCES = "instances"
DETECTION, INSTANCE, INSTANCE_DEPTH = "detection", "instance", "instance_depth"
"""The tasks that look at this label; the last where the depth of instances is known."""
MAX_MASK_PIXELS = 1 << 31
"""An image with more pixels of masks, all instances together, is refused (2 GiB)."""


def check_count(path: Path, count: int, size: Sequence[int]) -> None:
    """Raises InputError where so many masks (H,W) are too large for the memory; `path` is what they are read from."""
    height, width = size
    if count * height * width > MAX_MASK_PIXELS:
        what = f"has {count} instances in an image of {width}x{height}, whose masks take more than 2 GiB"
        raise bad_file(path, what, "resize or crop the image")


def instances_label(
    masks: Masks, labels: Sequence[int], crowd: Sequence[bool], boxes: Array | None = None, depth: Depth | None = None
) -> dict[str, Array]:
    """The label of masks (K,H,W) and their classes, see `Sample`.

    Without `boxes` (K,4) they are those of the masks. Of a `depth` map (H,W) each instance has the median of its valid
    pixels; 0 where there is none, or no map.
    """
    unknown = np.zeros(len(masks), np.float32)
    return {
        "boxes": np.array([outer_box(mask) for mask in masks] if boxes is None else boxes, np.float32).reshape(-1, 4),
        "labels": np.array(labels, np.int64),
        "masks": masks,
        "depth": unknown if depth is None else np.array([_median(depth[mask]) for mask in masks], np.float32),
        "crowd": np.array(crowd, np.bool_),
    }


def outer_box(mask: Masks) -> tuple[int, int, int, int]:
    """The box xyxy px of a mask (H,W) that has a pixel, from outer edge to outer edge."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _median(depth: Depth) -> float:
    known = depth[depth > 0]
    return float(np.median(known)) if len(known) else 0.0
