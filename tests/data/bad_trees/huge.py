"""Trees of which a file claims more than memory should hold."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from robustbench_seg.data.images import MAX_BYTES
from tests.data.bad_trees.changes import Change, all_of, without, written
from tests.data.bad_trees.coco import COCO_FILE, annotated, listed
from tests.data.bad_trees.kitti import SCAN
from tests.data.miniatures import CLASSES, FINE, file, png


def huge_arrays(root: Path) -> None:
    """Depth maps whose headers claim 20 GB."""
    file(root / "dataset.toml", CLASSES + "depth_unit = 1.0")
    (root / "depth").mkdir()
    for name in "ab":
        with (root / "depth" / f"{name}.npy").open("wb") as array:
            header = {"descr": "<f4", "fortran_order": False, "shape": (100_000, 50_000)}
            np.lib.format.write_array_header_1_0(array, header)


def sparse(name: str) -> Change:
    """A file of more bytes than memory should hold, none of them on the disk."""
    return lambda root: os.truncate(root / name, MAX_BYTES + 1)


HUGE = {
    "image of 60 000 x 60 000 pixels": (
        "folder",
        all_of(without("images/b.png", "labels/b.png"), written("images/a.png", png(60_000, 60_000, bytes(1 << 16)))),
        "images/a.png",
        "resize",
    ),
    "label of 60 000 x 60 000 pixels": (
        "camvid",
        written("val/labels/0016E5_07959.png", png(60_000, 60_000, bytes(1 << 16))),
        "0016E5_07959.png",
        "resize",
    ),
    "array of 20 GB": ("folder", huge_arrays, "depth/a.npy", "save it with numpy.save"),
    "label file of a gigabyte": ("cityscapes", sparse(f"{FINE}_labelIds.png"), f"{FINE}_labelIds.png", "the limit is"),
    "annotations of a gigabyte": ("coco", sparse(COCO_FILE), COCO_FILE, "the limit is"),
    "scan of a gigabyte": ("kitti-raw", sparse(SCAN), "0000000000.bin", "limit"),
    "COCO image declared huge": ("coco", listed(width=10**12), COCO_FILE, "images[0]: width: must be from 1"),
    "runs that claim a huge mask": (
        "coco",
        annotated(segmentation={"size": [12, 16], "counts": [10**15]}),
        COCO_FILE,
        "annotation 5",
    ),
    "polygon as long as the sky": ("coco", annotated(segmentation=[[1, 1, 10**12, 1, 5, 5]]), COCO_FILE, "far outside"),
}
"""By what claims it: data set, change, and the parts of the line that says so."""
