"""A user's own images and labels.

ROOT/dataset.toml           what the labels mean
ROOT/images/NAME.jpg        or ROOT/SPLIT/images/...
ROOT/labels/NAME.png        ids, or colours where a palette is declared
ROOT/depth/NAME.png         16-bit counts of depth_unit metres, or .npy
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.data.classfile import (
    CLASS_KEYS,
    check_keys,
    class_index,
    colour,
    is_byte,
    parse_classes,
    read_toml,
    unknown_in,
)
from robustbench_seg.data.files import FileDataset, LabelFiles, Reader, entries, list_files
from robustbench_seg.data.images import (
    IMAGE_SUFFIXES,
    Colour,
    bad_file,
    read_colour_labels,
    read_depth,
    read_mapped_labels,
)

_KEYS = (*CLASS_KEYS, "ids", "void", "depth_unit", "group")
_PARTS = ("images", "labels", "depth")
_RAW_IDS = frozenset(map(str, range(256)))
_DEPTH_SUFFIXES = IMAGE_SUFFIXES | {".npy"}


class Folder(FileDataset):
    """Images and labels under `root`, described by `root/dataset.toml`.

    `root/SPLIT/images` is used where some split has such a folder, else `root/images`. The keys of
    `dataset.toml`: `classes` (a built-in set's name or a list of names), `name`, `palette` ([[r, g, b], ...]: the
    labels are colour images), `[ids]` (id in the files = "class"; others are void), `void` (ids, or colours with a
    palette; 255 always is), `depth_unit` (metres per count), `[maps.<other set>]`, and `group = "folder"` where
    `images/CLIP/NAME` are clips. Without `group` every image is a group of its own.

    Raises:
        InputError: a folder, file or key is missing or wrong; files are read when a sample is.
    """

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        folder = Path(root).expanduser()
        config = folder / "dataset.toml"
        table = _read_config(folder, config)
        base = _split_folder(folder, split)
        nested = _is_grouped(config, table)
        self.name = str(table.get("name", folder.resolve().name))
        self.classes, semantic = _semantic(config, table, base / "labels", nested, self.name)
        labels = semantic | _depth(config, table, base / "depth", nested)
        if not labels:
            raise bad_file(
                base, "has neither labels/ nor depth/", "put one file of the image's name there for every image"
            )
        super().__init__(folder, list_files(base / "images", nested=nested), labels, also=[config])
        self.groups = [name.rpartition("/")[0] if nested else name for name in self.ids]


def _read_config(root: Path, config: Path) -> dict[str, object]:
    if not root.is_dir():
        raise bad_file(root, "is no folder", "give the folder that holds dataset.toml and images/")
    if not config.is_file():
        raise bad_file(config, "is missing", 'write one with at least: classes = "cityscapes19" (or a list of names)')
    table = read_toml(config)
    check_keys(config, table, _KEYS)
    if not isinstance(table.get("name", ""), str):
        raise bad_file(config, f"name = {table['name']!r} is no text", "put it in quotes")
    return table


def _split_folder(root: Path, split: str | None) -> Path:
    if split is not None and (root / split / "images").is_dir():
        return root / split
    splits = [entry.name for entry in entries(root) if entry.name not in _PARTS and (entry / "images").is_dir()]
    if splits and split is not None:
        raise unknown_in(root, "split", split, splits)
    if splits and not (root / "images").is_dir():
        raise bad_file(root, "has no images/ of its own", f"choose a split: {', '.join(splits)}")
    return root


def _is_grouped(config: Path, table: Mapping[str, object]) -> bool:
    if "group" in table and table["group"] != "folder":
        raise bad_file(config, f"group = {table['group']!r}", 'only group = "folder" is known; remove it otherwise')
    return "group" in table


def _semantic(
    config: Path, table: Mapping[str, object], folder: Path, nested: bool, name: str
) -> tuple[ClassSet, dict[str, LabelFiles]]:
    """The classes and the label files; without a labels folder classes may be left out."""
    if not folder.is_dir() and "classes" not in table:
        return ClassSet(name, (), ()), {}
    classes = parse_classes(config, table, name)
    reader = _colour_reader(config, table, classes) if "palette" in table else _id_reader(config, table, classes)
    return classes, {"semantic": LabelFiles(list_files(folder, nested=nested), reader)} if folder.is_dir() else {}


def _colour_reader(config: Path, table: Mapping[str, object], classes: ClassSet) -> Reader:
    if "ids" in table:
        raise bad_file(config, "declares both palette and [ids]", "keep palette for colour labels, [ids] for ids")
    palette: dict[Colour, int] = {entry: index for index, entry in enumerate(classes.palette)}
    for value in _void(config, table):
        entry = colour(config, value, "void entry")
        if entry in palette:
            raise bad_file(config, f"void holds {value!r}, which is a class's colour", "keep it in one place")
        palette[entry] = VOID
    return partial(read_colour_labels, palette=palette)


def _id_reader(config: Path, table: Mapping[str, object], classes: ClassSet) -> Reader:
    if "ids" in table:
        ids = dict.fromkeys(range(256), VOID) | _ids(config, table["ids"], classes)
        declared = {raw for raw, index in ids.items() if index != VOID}
    else:
        ids = {index: index for index in range(len(classes))} | {VOID: VOID}
        declared = set()
    for value in _void(config, table):
        if not isinstance(value, int) or not is_byte(value):
            raise bad_file(config, f"void entry {value!r} is no id", "give whole numbers from 0 to 255")
        if value in declared:
            raise bad_file(config, f"void holds {value}, which [ids] gives a class", "keep it in one place")
        ids[value] = VOID
    return partial(read_mapped_labels, table=ids)


def _ids(config: Path, value: object, classes: ClassSet) -> dict[int, int]:
    if not isinstance(value, dict) or not value:
        raise bad_file(config, f"ids = {value!r} is no table", 'write [ids] and lines such as 7 = "road"')
    for raw in value:
        if raw not in _RAW_IDS:
            raise bad_file(config, f"[ids] holds {raw!r}, which is no id", "give whole numbers from 0 to 255")
    return {int(raw): class_index(config, classes, name) for raw, name in value.items()}


def _void(config: Path, table: Mapping[str, object]) -> list[object]:
    value = table.get("void", [])
    if not isinstance(value, list):
        raise bad_file(config, f"void = {value!r} is no list", "write void = [255]")
    return value


def _depth(config: Path, table: Mapping[str, object], folder: Path, nested: bool) -> dict[str, LabelFiles]:
    unit = table.get("depth_unit", 1.0)
    if isinstance(unit, bool) or not isinstance(unit, int | float) or not 0 < unit < math.inf:
        raise bad_file(config, f"depth_unit = {unit!r}", "give metres per count, a number above 0, such as 0.01")
    if not folder.is_dir():
        return {}
    paths = list_files(folder, _DEPTH_SUFFIXES, nested=nested)
    if "depth_unit" not in table and any(path.suffix.lower() != ".npy" for path in paths.values()):
        raise bad_file(config, "declares no depth_unit", "give metres per count of the depth images, such as 0.01")
    return {"depth": LabelFiles(paths, partial(read_depth, unit=float(unit)))}
