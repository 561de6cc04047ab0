"""Bad trees of KITTI and KITTI raw."""

from __future__ import annotations

import shutil

from tests.data.bad_trees.changes import linked, locked, of, without, written
from tests.data.miniatures import DRIVE, ids, picture

SCAN = f"{DRIVE}/velodyne_points/data/0000000000.bin"

TABLES = {
    "kitti": {
        "no images": (without("training/image_2"), "training/image_2", "unpack data_semantics.zip"),
        "no labels": (without("training/semantic"), "training/semantic", "unpack data_semantics.zip"),
        "label of 0 bytes": (
            written("training/semantic/000000_10.png", b""),
            "semantic/000000_10.png",
            "copy it again",
        ),
        "disparity of 8 bits": (
            of(ids, "training/disp_occ_0/000000_10.png"),
            "disp_occ_0/000000_10.png",
            "16-bit grey",
        ),
        "calibration of words": (
            written("training/calib_cam_to_cam/000000.txt", "P_rect_02: a b"),
            "000000.txt",
            "copy KITTI's",
        ),
        "file for the root": (
            lambda root: (shutil.rmtree(root), root.write_text("")),
            "training/image_2",
            "unpack data_semantics.zip",
        ),
        "link to nothing": (
            linked("training/semantic/000000_10.png", "gone"),
            "semantic/000000_10.png",
            "No such file",
        ),
        "folder without permission": (locked("training/image_2"), "training/image_2", "Permission denied"),
    },
    "kitti-raw": {
        "no list": (without("splits"), "splits/train.txt", "write lines such as"),
        "no calibration": (without("2011_09_26/calib_cam_to_cam.txt"), "calib_cam_to_cam.txt", "copy KITTI's"),
        "list empty": (written("splits/train.txt", "\n\n"), "splits/train.txt", "names no frame"),
        "line that is no frame": (
            written("splits/train.txt", "000000 l\n"),
            "splits/train.txt",
            "line 1 is '000000 l'",
        ),
        "image of another size than its calibration": (
            of(picture, f"{DRIVE}/image_02/data/0000000000.png", (5, 4)),
            "0000000000.png",
            "is 4x5",
        ),
        "scan cut off": (written(SCAN, bytes(17)), "0000000000.bin", "has 17 bytes"),
    },
}
