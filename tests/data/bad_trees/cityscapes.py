"""Bad trees of Cityscapes and ACDC."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.data.bad_trees.changes import a_file, all_of, emptied, linked, of, renamed, without, written
from tests.data.miniatures import CITY, FINE, counts, ids, picture, save


def bonn(root: Path) -> None:
    """A second frame, which has no instance ids."""
    picture(root / CITY.replace("ulm", "bonn"))
    ids(root / f"{FINE}_labelIds.png".replace("ulm", "bonn"))


TABLES = {
    "cityscapes": {
        "no images": (without("leftImg8bit"), "leftImg8bit/val", "unpack leftImg8bit_trainvaltest.zip"),
        "no labels": (without("gtFine"), "gtFine/val", "unpack gtFine_trainvaltest.zip"),
        "city empty": (emptied("leftImg8bit/val/ulm"), "leftImg8bit/val", "holds no CITY/"),
        "foreign image": (
            renamed(CITY, "leftImg8bit/val/ulm/dog_leftImg8bit.png"),
            "dog_leftImg8bit.png",
            "name it CITY_SEQUENCE_FRAME",
        ),
        "one frame in two cities": (of(picture, CITY.replace("/ulm/", "/bonn/")), "leftImg8bit/val/ulm/", "keep one"),
        "no instances of an image": (
            all_of(without("disparity", "camera"), bonn),
            "bonn_000001_000019_leftImg8bit.png",
            "has no instance labels",
        ),
        "instances of another size": (
            of(save, f"{FINE}_instanceIds.png", np.zeros((2, 3), np.uint16)),
            "instanceIds.png",
            "is 3x2",
        ),
        "unknown instance id": (
            of(counts, f"{FINE}_instanceIds.png", 60_001),
            "instanceIds.png",
            "an instance id of no label",
        ),
        "camera of words": (
            written("camera/val/ulm/ulm_000001_000019_camera.json", {"intrinsic": "wide"}),
            "camera.json",
            "copy Cityscapes'",
        ),
        "file for a folder": (a_file("gtFine/val"), "gtFine/val", "is no folder; unpack gtFine"),
        "folder that links to itself": (
            linked("leftImg8bit/val", "val"),
            "leftImg8bit/val",
            "is no folder; unpack leftImg8bit",
        ),
    },
    "acdc": {
        "no night": (without("rgb_anon/night"), "rgb_anon/night/val", "unpack rgb_anon_trainvaltest.zip"),
    },
}
