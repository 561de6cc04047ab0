"""The data sets by name: those that ship, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from robustbench_seg.registry import Registry, built_in

if TYPE_CHECKING:
    from robustbench_seg.data.base import Dataset

BUILT_IN = {
    "street": ("street.dataset:open_street", "procedural driving world, every label, nothing to download"),
    "street-b": ("street.dataset:open_street_b", "the same world with another look, camera and layout"),
    "camvid": ("data.camvid:CamVid", "CamVid, 11 classes; camvid:ROOT"),
    "cityscapes": (
        "data.cityscapes:Cityscapes",
        "Cityscapes, 19 classes, instances, depth, normals and video; cityscapes:ROOT",
    ),
    "kitti": ("data.kitti.semantics:KITTI", "KITTI 2015, 19 classes, depth and normals; kitti:ROOT"),
    "kitti-raw": ("data.kitti.raw:KITTIRaw", "KITTI's recordings, video and depth of a listed split; kitti-raw:ROOT"),
    "coco": ("data.coco.dataset:COCO", "instances in COCO's format, classes from its categories; coco:ROOT"),
    "folder": ("data.folder:Folder", "your own images and labels; folder:ROOT with a dataset.toml"),
}

DATASETS: Registry[Callable[..., Dataset]] = Registry(
    "data set", "datasets", lambda: built_in("data set", BUILT_IN, "data/registry.py")
)
