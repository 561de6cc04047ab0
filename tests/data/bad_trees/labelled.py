"""Bad trees of CamVid, BDD100K, Mapillary Vistas, VOC, ADE20K and NYUv2."""

from __future__ import annotations

import os

import numpy as np

from tests.data.bad_trees.changes import a_folder, instead, of, renamed, without, written
from tests.data.miniatures import ids, picture

VOC_LIST = "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
ADE = "ADEChallengeData2016"
BDD_IMAGE = "bdd100k/images/10k/val/7d06fefd-f7be05a6.jpg"
BDD_LABELS = "bdd100k/labels/sem_seg/masks/val"
BDD_LABEL = f"{BDD_LABELS}/7d06fefd-f7be05a6.png"

TABLES = {
    "camvid": {
        "no folders": (without("val"), "expected the folders val/images"),
        "names do not match": (
            renamed("val/labels/0016E5_07959.png", "val/labels/0016E5_07961.png"),
            "0016E5_07959.png",
            "add them or remove",
        ),
        "label of another size": (
            of(ids, "val/labels/0016E5_07959.png", 0, (12, 15)),
            "labels/0016E5_07959.png",
            "make both the same size",
        ),
        "folder for a file": (
            a_folder("val/labels/0016E5_07959.png"),
            "val/labels/0016E5_07959.png",
            "is a folder among files",
        ),
    },
    "bdd100k": {
        "no labels": (without(BDD_LABELS), BDD_LABELS, "unpack"),
        "colours for ids": (of(picture, BDD_LABEL), "7d06fefd-f7be05a6.png", "save the ids as 8-bit grey PNG"),
        "folder for a label": (a_folder(BDD_LABEL), "7d06fefd-f7be05a6.png", "is no file"),
        "pipe for an image": (instead(BDD_IMAGE, os.mkfifo), "7d06fefd-f7be05a6.jpg", "is no file"),
    },
    "mapillary": {
        "no config": (without("config.json"), "unpack the archive"),
        "images that are texts": (
            written("validation/images/a0ZL8g.jpg", b"<html>404</html>"),
            "a0ZL8g.jpg",
            "is not an image",
        ),
        "config of words": (written("config.json", {"labels": "many"}), "config.json", "copy the config"),
    },
    "mapillary-v2": {
        "no config of v2.0": (without("config_v2.0.json"), "unpack the archive"),
        "no labels of v2.0": (without("validation/v2.0"), "validation/v2.0/labels", "unpack the archive"),
    },
    "voc": {
        "no VOC": (without("VOCdevkit"), "ImageSets/Segmentation/val.txt", "unpack VOCtrainval"),
        "no list": (without(VOC_LIST), VOC_LIST, "unpack VOCtrainval"),
        "list of VOC empty": (written(VOC_LIST, ""), "val.txt", "lists nothing"),
        "list names what is not there": (written(VOC_LIST, "2007_000033\n2008_1\n"), "val.txt", "lists '2008_1'"),
    },
    "ade20k": {
        "no labels": (without(f"{ADE}/annotations"), f"{ADE}/annotations/validation", "unpack"),
        "unknown label id": (
            of(ids, f"{ADE}/annotations/validation/ADE_val_00000001.png", 151),
            "ADE_val_00000001.png",
            "holds label ids 151",
        ),
    },
    "nyuv2": {
        "nothing": (without("NYUD_MT"), "put nyu_depth_v2_labeled.mat and splits.mat there"),
        "no labels": (without("NYUD_MT/segmentation"), "NYUD_MT/segmentation", "unpack NYUD_MT.tgz"),
        "label beyond the 40": (of(ids, "NYUD_MT/segmentation/0001.png", 41), "0001.png", "holds label ids 41"),
        "array of another size": (
            lambda root: np.save(root / "NYUD_MT/depth/0001.npy", np.ones((3, 4), np.float32)),
            "depth/0001.npy",
            "is 4x3",
        ),
    },
}
