"""A user's own images and labels: `Folder`, and `FileDataset`, what data sets kept as files share.

ROOT/dataset.toml           what the labels mean
ROOT/images/NAME.jpg        or ROOT/SPLIT/images/...
ROOT/labels/NAME.png        ids, or colours where a palette is declared
ROOT/depth/NAME.png         16-bit counts of depth_unit metres, or .npy
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.data.base import Dataset, Sample
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
from robustbench_seg.data.images import (
    IMAGE_SUFFIXES,
    Colour,
    bad_file,
    read_colour_labels,
    read_depth,
    read_image,
    read_mapped_labels,
)

Reader = Callable[[Path], npt.NDArray[np.generic]]

_KEYS = (*CLASS_KEYS, "ids", "void", "depth_unit", "group")
_PARTS = ("images", "labels", "depth")
_RAW_IDS = frozenset(map(str, range(256)))
_DEPTH_SUFFIXES = IMAGE_SUFFIXES | {".npy"}


@dataclass(frozen=True)
class LabelFiles:
    """The files of one task by sample id, and how one is read to an (H,W) array."""

    paths: Mapping[str, Path]
    read: Reader


class FileDataset(Dataset):
    """Samples kept as files, an image and one file a task each, matched by id.

    Args:
        root: what file names are relative to in the fingerprint.
        images: the image of every sample by id.
        labels: the label files by task; every sample has one.
        also: other files that decide what the labels mean; they enter the fingerprint.

    Raises:
        InputError: a sample without a label, or a label without an image.
    """

    def __init__(
        self, root: Path, images: Mapping[str, Path], labels: Mapping[str, LabelFiles], also: Iterable[Path] = ()
    ) -> None:
        for task, files in labels.items():
            _check_pairs(task, images, files.paths)
        self._root = root
        self._images = images
        self._labels = labels
        self._also = tuple(also)
        self._digest = ""
        self.ids = sorted(images)
        self.tasks = tuple(labels)

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; InputError where a file is wrong or a label differs in size from its image."""
        name = self.ids[index]
        image = read_image(self._images[name])
        labels: dict[str, object] = {}
        for task, files in self._labels.items():
            values = files.read(files.paths[name])
            if values.shape != image.shape[:2]:
                raise bad_file(
                    files.paths[name],
                    f"is {_size(values.shape)}, its image {self._images[name]} {_size(image.shape)}",
                    "make both the same size, as stored (EXIF orientation is ignored)",
                )
            labels[task] = values
        return Sample(name, image, labels)

    def fingerprint(self) -> str:
        """The sha256 of every file's relative name, size and content, computed once."""
        if not self._digest:
            parts = [self._images, *(files.paths for files in self._labels.values())]
            self._digest = _digest(self._root, [*self._also, *(path for part in parts for path in part.values())])
        return self._digest


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


def list_files(folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES, *, nested: bool = False) -> dict[str, Path]:
    """The files of a folder by id: the name without suffix, or `CLIP/NAME` where `nested`.

    Hidden files and other suffixes are left out.

    Raises:
        InputError: no such folder, none of the files in it, two of one id, or a depth of folders not asked for.
    """
    clips = [entry for entry in _entries(folder) if entry.is_dir()]
    loose = [entry for entry in _entries(folder) if _is_kind(entry, suffixes)]
    if nested and loose:
        raise bad_file(loose[0], 'is in no clip, dataset.toml says group = "folder"', "move it to a folder of its clip")
    if clips and not nested:
        raise bad_file(clips[0], "is a folder among files", 'move it, or say group = "folder" in dataset.toml')
    found: dict[str, Path] = {}
    for path in (inner for clip in clips for inner in _entries(clip)) if nested else loose:
        if path.is_dir():
            raise bad_file(path, "is a folder in a clip's folder", "keep clips one level deep: CLIP/NAME")
        if not _is_kind(path, suffixes):
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise bad_file(path, f"has the name of {found[name].name} beside it", "keep one of them")
        found[name] = path
    if not found:
        raise bad_file(folder, "holds no files of a known kind", f"use {', '.join(sorted(suffixes))}")
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise bad_file(folder, f"cannot be listed ({error.strerror})", "check the folder and its permissions") from None


def _is_kind(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.is_dir()


def _check_pairs(task: str, images: Mapping[str, Path], labels: Mapping[str, Path]) -> None:
    bare = sorted(images.keys() - labels.keys())
    if bare:
        others = f" (nor have {len(bare) - 1} others)" if len(bare) > 1 else ""
        raise bad_file(images[bare[0]], f"has no {task} labels of its name{others}", "add them or remove the image")
    orphans = sorted(labels.keys() - images.keys())
    if orphans:
        raise bad_file(labels[orphans[0]], "has no image of its name", "add the image or remove the label")


def _digest(root: Path, paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(set(paths)):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise bad_file(path, f"cannot be read ({error.strerror})", "check the path and its permissions") from None
        content = hashlib.sha256(data).hexdigest()
        whole.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0{content}\n".encode())
    return whole.hexdigest()


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


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
    splits = [entry.name for entry in _entries(root) if entry.name not in _PARTS and (entry / "images").is_dir()]
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
