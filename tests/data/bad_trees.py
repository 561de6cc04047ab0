"""Folders of your own data that are not as they should be, each with what the error line has to say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.data.bad_images import IDS, PIXELS, encoded

IMAGE, LABEL = encoded(PIXELS), encoded(IDS)
CLASSES = 'classes = ["road", "sky", "car"]\n'


def sound(root: Path) -> None:
    """Two images with their labels."""
    write(root, **{"dataset.toml": CLASSES})
    for name in "ab":
        write(root, **{f"images/{name}.png": IMAGE, f"labels/{name}.png": LABEL})


def write(root: Path, **files: bytes | str) -> None:
    """Write files by their path, with the folders that they need."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


@dataclass(frozen=True)
class Bad:
    """What is done to a sound tree, and a part of the line that says what is wrong with it."""

    change: Callable[[Path], object]
    says: str


def files(**written: bytes | str) -> Callable[[Path], object]:
    return lambda root: write(root, **written)


def config(text: str, **written: bytes | str) -> Callable[[Path], object]:
    return files(**{"dataset.toml": CLASSES + text}, **written)


def without(*names: str) -> Callable[[Path], object]:
    """Remove files or folders."""

    def change(root: Path) -> None:
        for name in names:
            shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()

    return change


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    """Put something else where a file or folder is."""

    def change(root: Path) -> None:
        without(name)(root)
        make(root / name)

    return change


def also(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [change(root) for change in changes]


def rename(old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return change


def link(name: str, target: str) -> Callable[[Path], object]:
    return lambda root: (root / name).symlink_to(target)


def a_file(path: Path) -> None:
    path.write_bytes(IMAGE)


def splits(*names: str) -> Callable[[Path], object]:
    """The same images and labels as so many splits, SPLIT/images."""

    def change(root: Path) -> None:
        for name in names:
            for part in ("images", "labels"):
                shutil.copytree(root / part, root / name / part)
        without("images", "labels")(root)

    return change


LISTS = 'splits = "lists"\n'
CLIPS = 'group = "folder"\n'
LANES = '[labels.lanes]\nclasses = ["none", "line"]\n'

BAD = {
    "no root": Bad(shutil.rmtree, "is no folder"),
    "a file as root": Bad(lambda root: (shutil.rmtree(root), a_file(root)), "is no folder"),
    "no dataset.toml": Bad(without("dataset.toml"), "dataset.toml: is missing"),
    "dataset.toml as a folder": Bad(instead("dataset.toml", Path.mkdir), "dataset.toml: is missing"),
    "dataset.toml linked to nowhere": Bad(
        instead("dataset.toml", lambda path: path.symlink_to("nowhere")), "dataset.toml: is missing"
    ),
    "empty dataset.toml": Bad(files(**{"dataset.toml": ""}), "has no classes"),
    "JSON as dataset.toml": Bad(files(**{"dataset.toml": '{"classes": ["road"]}'}), "not valid TOML"),
    "image as dataset.toml": Bad(files(**{"dataset.toml": IMAGE}), "not UTF-8"),
    "dataset.toml in UTF-16": Bad(files(**{"dataset.toml": CLASSES.encode("utf-16")}), "not UTF-8"),
    "endless brackets": Bad(files(**{"dataset.toml": "a = " + "[" * 100_000}), "not valid TOML"),
    "key twice": Bad(config(CLASSES), "not valid TOML"),
    "misspelt key": Bad(config("depth_units = 1"), "did you mean depth_unit"),
    "no such class set": Bad(files(**{"dataset.toml": 'classes = "cityscape19"'}), "did you mean cityscapes19"),
    "no classes listed": Bad(files(**{"dataset.toml": "classes = []"}), "has no classes"),
    "class twice": Bad(files(**{"dataset.toml": 'classes = ["road", "Road"]'}), "lists class 'Road' twice"),
    "class without a name": Bad(files(**{"dataset.toml": 'classes = ["road", " "]'}), "without a name"),
    "256 classes": Bad(files(**{"dataset.toml": f"classes = {list(map(str, range(256)))}"}), "lists 256 classes"),
    "name of a built-in set": Bad(config('name = "camvid11"'), "is a built-in class set's"),
    "palette too short": Bad(config("palette = [[0, 0, 0]]"), "1 colours for 3 classes"),
    "colour twice": Bad(config("palette = [[0, 0, 0], [1, 1, 1], [0, 0, 0]]"), "palette holds [0, 0, 0] twice"),
    "id of no class": Bad(config('ids = {7 = "raod"}'), "did you mean road"),
    "void beyond 16 bits": Bad(config("void = [70000]"), "70000"),
    "labelIds of other classes": Bad(config('ids = "labelIds"'), "is for the classes cityscapes19"),
    "orientation that is none": Bad(config('orientation = "upright"'), "one of apply, ignore"),
    "no images": Bad(without("images"), "images: cannot be listed"),
    "images as a file": Bad(instead("images", a_file), "images: cannot be listed"),
    "images linked to nowhere": Bad(instead("images", lambda path: path.symlink_to("nowhere")), "cannot be listed"),
    "images linked to themselves": Bad(instead("images", lambda path: path.symlink_to("images")), "cannot be listed"),
    "images linked to the root": Bad(instead("images", lambda path: path.symlink_to(".")), "is a folder among files"),
    "empty images": Bad(instead("images", Path.mkdir), "holds no files of a known kind"),
    "hidden images": Bad(
        also(rename("images/a.png", "images/.a.png"), rename("images/b.png", "images/.b.png")), "holds no files"
    ),
    "images of another kind": Bad(
        also(rename("images/a.png", "images/a.heic"), rename("images/b.png", "images/b.heic")), "holds no files"
    ),
    "folder among images": Bad(files(**{"images/more/c.png": IMAGE}), "more: is a folder among files"),
    "two images of a name": Bad(files(**{"images/a.jpg": IMAGE}), "has the name of"),
    "neither labels nor depth": Bad(without("labels"), "has neither labels/ nor depth/"),
    "labels as a file": Bad(instead("labels", a_file), "has neither labels/ nor depth/"),
    "empty labels": Bad(instead("labels", Path.mkdir), "labels: holds no files of a known kind"),
    "a label missing": Bad(without("labels/b.png"), "b.png: has no semantic labels of its name"),
    "an image missing": Bad(without("images/b.png"), "b.png: has no image of its name"),
    "names in another case": Bad(rename("labels/a.png", "labels/A.png"), "a.png: has no semantic labels"),
    "suffix that is not declared": Bad(rename("labels/a.png", "labels/a_mask.png"), "a.png: has no semantic labels"),
    "suffix that no file has": Bad(config('suffix.labels = "_mask"'), "does not end in _mask"),
    "suffix of no folder": Bad(config('suffix.masks = "_mask"'), "unknown folder 'masks'"),
    "splits without val": Bad(splits("one", "two"), "choose one of one, two with --split"),
    "split without labels": Bad(also(splits("val"), without("val/labels")), "val: has neither labels/ nor depth/"),
    "split without files": Bad(also(splits("val"), instead("val/images", Path.mkdir)), "holds no files"),
    "folders that may be clips": Bad(
        also(rename("images", "old"), rename("old/a.png", "images/x/a.png"), rename("old/b.png", "images/y/b.png")),
        'or say group = "folder"',
    ),
    "no folder of lists": Bad(config(LISTS), "lists: cannot be listed"),
    "no list": Bad(config(LISTS, **{"lists/readme.md": ""}), "holds no list of a split"),
    "empty list": Bad(config(LISTS, **{"lists/val.txt": " \n"}), "lists nothing"),
    "list of other images": Bad(config(LISTS, **{"lists/val.txt": "a\nz"}), "lists 'z', which has no image"),
    "list with extensions": Bad(config(LISTS, **{"lists/val.txt": "a.png\nb.png"}), "without suffix and extension"),
    "list of pairs": Bad(config(LISTS, **{"lists/val.txt": "images/a.png labels/a.png"}), "which has no image"),
    "list that is no text": Bad(config(LISTS, **{"lists/val.txt": IMAGE}), "not text"),
    "list that is a folder": Bad(config(LISTS, **{"lists/val.txt/a": "a"}), "val.txt: is no file"),
    "lists elsewhere": Bad(config('splits = "../lists"'), "must be a folder within the root"),
    "list of a control character": Bad(config(LISTS, **{"lists/val.txt": "a\n\x1b[2J"}), "lists '?[2J'"),
    "image in no clip": Bad(config(CLIPS), "is in no clip"),
    "clips in clips": Bad(config(CLIPS, **{"images/x/y/z.png": IMAGE}), "is in no clip"),
    "depth without a unit": Bad(files(**{"depth/a.png": IMAGE, "depth/b.png": IMAGE}), "declares no depth_unit"),
    "depth unit of nothing": Bad(config("depth_unit = 0.0"), "a number above 0"),
    "a depth missing": Bad(config("depth_unit = 1.0", **{"depth/a.png": IMAGE}), "b.png: has no depth labels"),
    "labels of an output missing": Bad(config(LANES), "lanes: cannot be listed"),
    "labels of an output for one image": Bad(config(LANES, **{"lanes/a.png": LABEL}), "has no lanes labels"),
    "labels of an output without classes": Bad(config("[labels.lanes]", **{"lanes/a.png": LABEL}), "has no classes"),
    "labels of an output elsewhere": Bad(config("[labels.'../lanes']\nclasses = ['a', 'b']"), "give a name of letters"),
}
