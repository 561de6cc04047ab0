"""Bad trees of your own data."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.data.bad_images import IDS, PIXELS, encoded
from tests.data.bad_trees.changes import (
    Change,
    a_file,
    a_folder,
    all_of,
    emptied,
    linked,
    of,
    renamed,
    without,
    written,
)
from tests.data.miniatures import CLASSES, counts, picture

IMAGE, LABEL = encoded(PIXELS), encoded(IDS)
LISTS = 'splits = "lists"\n'
CLIPS = 'group = "folder"\n'
LANES = '[labels.lanes]\nclasses = ["none", "line"]\n'
DEEP = "images/{}" + "d/" * 40 + "b.png"


def config(more: str) -> Change:
    """More is declared."""
    return written("dataset.toml", CLASSES + more)


def listing(content: str | bytes) -> Change:
    """The split val is a list."""
    return all_of(config(LISTS), written("lists/val.txt", content))


def splits(*names: str) -> Change:
    """The same images and labels as so many splits, SPLIT/images."""

    def change(root: Path) -> None:
        for name in names:
            for part in ("images", "labels"):
                shutil.copytree(root / part, root / name / part)
        without("images", "labels")(root)

    return change


def not_unicode(root: Path) -> None:
    """The name of a file is no UTF-8."""
    (root / "images" / "a.png").rename(root / "images" / os.fsdecode(b"a\xff.png"))


TABLES = {
    "folder": {
        # the root and dataset.toml
        "no root": (shutil.rmtree, "is no folder", "give the folder"),
        "empty root": (without("images", "labels", "dataset.toml"), "dataset.toml", "is missing"),
        "a file as root": (lambda root: (shutil.rmtree(root), root.write_bytes(IMAGE)), "is no folder"),
        "no dataset.toml": (without("dataset.toml"), "dataset.toml: is missing", "write one"),
        "dataset.toml as a folder": (a_folder("dataset.toml"), "dataset.toml: is missing"),
        "dataset.toml linked to nowhere": (linked("dataset.toml", "nowhere"), "dataset.toml: is missing"),
        "empty dataset.toml": (written("dataset.toml", ""), "has no classes"),
        "JSON as dataset.toml": (written("dataset.toml", '{"classes": ["road"]}'), "not valid TOML"),
        "image as dataset.toml": (written("dataset.toml", IMAGE), "not UTF-8"),
        "dataset.toml in UTF-16": (written("dataset.toml", CLASSES.encode("utf-16")), "not UTF-8"),
        "TOML cut off": (written("dataset.toml", "classes = ["), "dataset.toml", "not valid TOML"),
        "endless brackets": (written("dataset.toml", "a = " + "[" * 100_000), "not valid TOML"),
        "key twice": (config(CLASSES), "not valid TOML"),
        "misspelt key": (config("pallete = []"), "dataset.toml", "did you mean palette"),
        "no classes but a unit": (written("dataset.toml", "depth_unit = 1.0"), "dataset.toml", "give classes ="),
        "no such class set": (written("dataset.toml", 'classes = "cityscape19"'), "did you mean cityscapes19"),
        "no classes listed": (written("dataset.toml", "classes = []"), "has no classes"),
        "class twice": (written("dataset.toml", 'classes = ["road", "Road"]'), "lists class 'Road' twice"),
        "class without a name": (written("dataset.toml", 'classes = ["road", " "]'), "without a name"),
        "256 classes": (written("dataset.toml", f"classes = {list(map(str, range(256)))}"), "lists 256 classes"),
        "name of a built-in set": (config('name = "camvid11"'), "is a built-in class set's"),
        "palette too short": (config("palette = [[0, 0, 0]]"), "1 colours for 3 classes"),
        "colour twice": (config("palette = [[0, 0, 0], [1, 1, 1], [0, 0, 0]]"), "palette holds [0, 0, 0] twice"),
        "id of no class": (config('ids = {7 = "raod"}'), "did you mean road"),
        "void beyond 16 bits": (config("void = [70000]"), "70000"),
        "labelIds of other classes": (config('ids = "labelIds"'), "is for the classes cityscapes19"),
        "orientation that is none": (config('orientation = "upright"'), "one of apply, ignore"),
        # images and labels
        "no images": (without("images"), "images: cannot be listed", "check the folder"),
        "images as a file": (a_file("images"), "images: cannot be listed"),
        "images linked to nowhere": (linked("images", "nowhere"), "cannot be listed"),
        "images linked to themselves": (linked("images", "images"), "cannot be listed"),
        "images linked to the root": (linked("images", "."), "is a folder among files"),
        "empty images": (emptied("images"), "holds no files of a known kind"),
        "images in a circle": (
            lambda root: (root / "images" / "again").symlink_to("../images"),
            "images/again",
            "is a folder among files",
        ),
        "folders nested too deep": (of(picture, DEEP.format("")), "images/d", "is a folder among files"),
        "name of a control character": (renamed("images/a.png", "images/a\nb\x1b[31m.png"), "images", "rename it"),
        "name that is no Unicode": (not_unicode, "images", "rename it"),
        "hidden images": (
            all_of(renamed("images/a.png", "images/.a.png"), renamed("images/b.png", "images/.b.png")),
            "holds no files",
        ),
        "images of another kind": (
            all_of(renamed("images/a.png", "images/a.heic"), renamed("images/b.png", "images/b.heic")),
            "holds no files",
        ),
        "folder among images": (written("images/more/c.png", IMAGE), "more: is a folder among files"),
        "two images of a name": (written("images/a.bmp", IMAGE), "images/a.png", "has the name of", "keep one of them"),
        "two labels of a name": (written("labels/a.bmp", LABEL), "labels/a.png", "a.bmp; keep one"),
        "neither labels nor depth": (without("labels"), "has neither labels/ nor depth/"),
        "labels as a file": (a_file("labels"), "has neither labels/ nor depth/"),
        "empty labels": (emptied("labels"), "labels: holds no files of a known kind"),
        "a label missing": (without("labels/b.png"), "images/b.png: has no semantic labels of its name"),
        "an image missing": (
            without("images/b.png"),
            "labels/b.png: has no image of its name",
            "add the image or remove the label",
        ),
        "names in another case": (renamed("labels/a.png", "labels/A.png"), "a.png: has no semantic labels"),
        # suffixes, splits and clips
        "suffix that is not declared": (renamed("labels/a.png", "labels/a_mask.png"), "a.png: has no semantic labels"),
        "suffix that no file has": (config('suffix.labels = "_mask"'), "does not end in _mask"),
        "suffix of no folder": (config('suffix.masks = "_mask"'), "unknown folder 'masks'"),
        "splits without val": (splits("one", "two"), "choose one of one, two with --split"),
        "split without labels": (all_of(splits("val"), without("val/labels")), "val: has neither labels/ nor depth/"),
        "split without files": (all_of(splits("val"), emptied("val/images")), "holds no files"),
        "folders that may be clips": (
            all_of(
                renamed("images", "old"), renamed("old/a.png", "images/x/a.png"), renamed("old/b.png", "images/y/b.png")
            ),
            'or say group = "folder"',
        ),
        "no folder of lists": (config(LISTS), "lists: cannot be listed"),
        "no list": (all_of(config(LISTS), written("lists/readme.md", "")), "holds no list of a split"),
        "empty list": (listing(" \n"), "lists nothing"),
        "list of other images": (listing("a\nz"), "lists 'z', which has no image"),
        "list with extensions": (listing("a.png\nb.png"), "without suffix and extension"),
        "list of pairs": (listing("images/a.png labels/a.png"), "which has no image"),
        "list that is no text": (listing(IMAGE), "not text"),
        "list that is a folder": (all_of(config(LISTS), written("lists/val.txt/a", "a")), "val.txt: is no file"),
        "lists elsewhere": (config('splits = "../lists"'), "must be a folder within the root"),
        "list of a control character": (listing("a\n\x1b[2J"), "lists '?[2J'"),
        "image in no clip": (config(CLIPS), "is in no clip"),
        "clips in clips": (all_of(config(CLIPS), written("images/x/y/z.png", IMAGE)), "is in no clip"),
        "clips nested too deep": (
            all_of(
                config(CLIPS),
                *(
                    renamed(f"{part}/{name}.png", f"{part}/clip/{name}.png")
                    for part in ("images", "labels")
                    for name in "ab"
                ),
                of(picture, DEEP.format("clip/")),
            ),
            "images/clip/d",
            "keep clips one level deep",
        ),
        # depth and other outputs
        "depth without a unit": (
            all_of(*(of(counts, f"depth/{name}.png") for name in "ab")),
            "dataset.toml",
            "declares no depth_unit",
            "give metres per count",
        ),
        "depth unit of nothing": (config("depth_unit = 0.0"), "a number above 0"),
        "unit in words": (config("depth_unit = 'cm'"), "dataset.toml", "depth_unit: must be float"),
        "unit beyond a float": (config(f"depth_unit = {10**400}"), "dataset.toml", "depth_unit: must be float"),
        "a depth missing": (
            all_of(config("depth_unit = 1.0"), written("depth/a.png", IMAGE)),
            "b.png: has no depth labels",
        ),
        "labels of an output missing": (config(LANES), "lanes: cannot be listed"),
        "labels of an output for one image": (
            all_of(config(LANES), written("lanes/a.png", LABEL)),
            "has no lanes labels",
        ),
        "labels of an output without classes": (
            all_of(config("[labels.lanes]"), written("lanes/a.png", LABEL)),
            "has no classes",
        ),
        "labels of an output elsewhere": (
            config("[labels.'../lanes']\nclasses = ['a', 'b']"),
            "give a name of letters",
        ),
    }
}
