"""The data sets by name: those that ship, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_seg.registry import Registry, built_in

if TYPE_CHECKING:
    from robustbench_seg.data.base import Dataset

BUILT_IN = {
    "street": ("street.dataset:open_street", "procedural driving world, every label, nothing to download"),
    "street-b": ("street.dataset:open_street_b", "the same world with another look, camera and layout"),
    "street-b-traffic": (
        "street.dataset:open_street_b_traffic",
        "street-b, where in three of four worlds the vehicles ahead keep the camera's speed",
    ),
    "camvid": ("data.camvid:CamVid", "CamVid, 11 classes; camvid:ROOT"),
    "cityscapes": (
        "data.cityscapes:Cityscapes",
        "Cityscapes, 19 classes, instances, depth, normals and video; cityscapes:ROOT",
    ),
    "kitti": ("data.kitti.semantics:KITTI", "KITTI 2015, 19 classes, depth and normals; kitti:ROOT"),
    "kitti-raw": ("data.kitti.raw:KITTIRaw", "KITTI's recordings, video and depth of a listed split; kitti-raw:ROOT"),
    "coco": ("data.coco.dataset:COCO", "instances in COCO's format, classes from its categories; coco:ROOT"),
    "voc": ("data.voc:VOC", "PASCAL VOC 2012, 21 classes; voc:ROOT"),
    "ade20k": ("data.ade20k:ADE20K", "ADE20K's scene parsing benchmark, 150 classes; ade20k:ROOT"),
    "acdc": ("data.acdc:ACDC", "ACDC, fog, night, rain and snow, 19 classes; acdc:ROOT"),
    "bdd100k": ("data.bdd100k:BDD100K", "BDD100K, 19 classes; bdd100k:ROOT"),
    "mapillary": ("data.mapillary:Mapillary", "Mapillary Vistas v1.2, 65 classes; mapillary:ROOT"),
    "mapillary-v2": ("data.mapillary:MapillaryV2", "Mapillary Vistas v2.0, 116 classes; mapillary-v2:ROOT"),
    "nyuv2": ("data.nyu.dataset:open_nyuv2", "NYU Depth V2, 40 or 13 classes, depth and normals; nyuv2:ROOT"),
    "vkitti2": ("data.vkitti2:VKITTI2", "Virtual KITTI 2, 14 classes, depth, normals and video; vkitti2:ROOT"),
    "synthia": ("data.synthia:SYNTHIA", "SYNTHIA-RAND-CITYSCAPES, 16 classes, depth and normals; synthia:ROOT"),
    "synthia-sf": ("data.synthia:SYNTHIASF", "SYNTHIA-SF, 19 classes, depth and normals; synthia-sf:ROOT"),
    "carla": ("data.carla:CARLA", "what CARLA's cameras saved, 19 or 13 classes, depth and normals; carla:ROOT"),
    "folder": ("data.folder:Folder", "your own images and labels; folder:ROOT with a dataset.toml"),
}

TREES = {
    "cityscapes": "leftImg8bit",
    "kitti": "training/semantic",
    "camvid": "701_StillsRaw_full",
    "coco": "annotations/instances_val2017.json",
    "voc": "VOCdevkit",
    "ade20k": "ADEChallengeData2016",
    "acdc": "rgb_anon",
    "bdd100k": "bdd100k",
    "mapillary": "config_v1.2.json",
    "nyuv2": "nyu_depth_v2_labeled.mat",
    "vkitti2": "rgb/Scene01",
    "synthia": "RAND_CITYSCAPES",
    "synthia-sf": "SYNTHIA-SF",
    "carla": "carla.toml",
}
"""What a root holds by which it is known as that of a data set."""

DATASETS: Registry[Callable[..., Dataset]] = Registry(
    "data set", "datasets", lambda: built_in("data set", BUILT_IN, "data/registry.py")
)


def recognised(root: Path) -> str | None:
    """The data set whose official tree a folder holds, as far as one look tells."""
    return next((name for name, path in TREES.items() if (root / path).exists()), None)
