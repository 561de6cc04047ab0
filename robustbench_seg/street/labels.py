"""Every label of a rendered frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.instances import outer_box
from robustbench_seg.street.render import Frame

THINGS = (11, 12, 13, 14, 15, 18)
"""The classes with instances: person, rider, car, truck, bus, bicycle."""
SMALLEST = (8, 24)
"""Smaller instances do not count: px of the longer side of the box, and visible pixels."""


def labels_of(frame: Frame) -> dict[str, object]:
    """The labels as `Sample` documents them."""
    depth = np.where(frame.near > 0, 1 / np.maximum(frame.near, np.float32(1e-6)), 0).astype(np.float32)
    return {
        "semantic": frame.labels,
        "depth": depth,
        "normals": _camera_normals(frame),
        "edges": _edges(frame),
        "instances": _instances(frame, depth),
    }


def _camera_normals(frame: Frame) -> npt.NDArray[np.float32]:
    turn = frame.camera.rotation.astype(np.float32)
    x, y, z = frame.normals
    rows = [turn[0, i] * x + turn[1, i] * y + turn[2, i] * z for i in range(3)]
    length = np.sqrt(rows[0] * rows[0] + rows[1] * rows[1] + rows[2] * rows[2])
    result: npt.NDArray[np.float32] = np.stack(rows) / np.maximum(length, np.float32(0.5))
    return result


def _edges(frame: Frame) -> npt.NDArray[np.uint8]:
    """Pixels whose right or lower neighbour has another class or is another instance."""
    things = np.isin(frame.labels, THINGS)
    regions = frame.labels.astype(np.int32) + 256 * np.where(things, frame.item + 1, 0)
    edges = np.zeros(regions.shape, np.uint8)
    edges[:, :-1] |= regions[:, :-1] != regions[:, 1:]
    edges[:-1] |= regions[:-1] != regions[1:]
    return edges


def _instances(frame: Frame, depth: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.generic]]:
    """Visible instances from near to far; boxes run from the outer edges of the first to those of the last pixel."""
    items = np.where(np.isin(frame.labels, THINGS), frame.item, -1)
    masks = [items == name for name in np.unique(items[items >= 0])]
    medians = [float(np.median(depth[mask])) for mask in masks]
    order = sorted(range(len(masks)), key=medians.__getitem__)
    masks, medians = [masks[i] for i in order], [medians[i] for i in order]
    boxes = [outer_box(mask) for mask in masks]
    height, width = depth.shape
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "labels": np.array([frame.labels[mask][0] for mask in masks], np.int64),
        "masks": np.array(masks, np.bool_).reshape(-1, height, width),
        "depth": np.array(medians, np.float32),
        "smallest": np.array(SMALLEST),
    }
