"""Bad trees of rendered worlds."""

from __future__ import annotations

from tests.data.bad_trees.changes import emptied, of, without, written
from tests.data.miniatures import colour, deep

TABLES = {
    "vkitti2": {
        "no scene": (without("rgb/Scene20"), "Scene20/clone/frames/rgb/Camera_0", "unpack vkitti_2.0.3_rgb.tar"),
        "colour of no class": (
            of(
                colour, "classSegmentation/Scene20/clone/frames/classSegmentation/Camera_0/classgt_00000.png", (1, 2, 3)
            ),
            "classgt_00000.png",
            "[1, 2, 3] that the palette lacks",
        ),
    },
    "synthia": {
        "no depth of some images": (emptied("RAND_CITYSCAPES/Depth/Depth"), "Depth/Depth", "unpack SYNTHIA_RAND"),
        "class beyond the README": (
            of(deep, "RAND_CITYSCAPES/GT/LABELS/0000000.png", 23),
            "LABELS/0000000.png",
            "copy the labels again",
        ),
        "labels of 8 bits": (
            of(colour, "RAND_CITYSCAPES/GT/LABELS/0000000.png", (3, 0, 0)),
            "LABELS/0000000.png",
            "16",
        ),
    },
    "synthia-sf": {
        "no sequence": (without("SYNTHIA-SF/SEQ3"), "SYNTHIA-SF/SEQ3/GTLeft", "unpack SYNTHIA-SF.zip"),
        "class beyond SYNTHIA-SF": (of(colour, "SYNTHIA-SF/SEQ3/GTLeft/0000000.png", (99, 0, 0)), "0.png", "99"),
    },
    "carla": {
        "no carla.toml": (without("carla.toml"), "carla.toml", 'such as version = "0.9.15"'),
        "no labels": (without("semantic", "depth"), "put the frames of those cameras"),
        "colours converted": (
            of(colour, "semantic/000123.png", (128, 64, 128)),
            "000123.png",
            "without a ColorConverter",
        ),
        "version in words": (written("carla.toml", 'version = "latest"'), "carla.toml", "must be three numbers"),
        "field of view of 360": (written("carla.toml", 'version = "0.9.15"\nfov = 360'), "carla.toml", "from 1 to 179"),
    },
}
