"""Your own images and labels.

ROOT/dataset.toml           what the labels mean
ROOT/images/NAME.jpg        or ROOT/SPLIT/images/...
ROOT/labels/NAME.png        ids, or colours where a palette is declared
ROOT/depth/NAME.png         16-bit counts of depth_unit metres, or .npy
ROOT/LABEL/NAME.png         further labels, each with a table [labels.LABEL], for one of several outputs of a network
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.data.classfile import ClassesTable, class_index
from robustbench_seg.data.files import FileDataset, LabelFiles, Reader, entries, list_files
from robustbench_seg.data.images import (
    IMAGE_SUFFIXES,
    Byte,
    Colour,
    bad_file,
    read_colour_labels,
    read_depth,
    read_mapped_labels,
)
from robustbench_seg.registry import unknown
from robustbench_seg.strict import fault, from_table, read_toml
from robustbench_seg.tasks.names import named

SEMANTIC = "semantic"
_PARTS = ("images", "labels", "depth")
_LABEL = re.compile(r"[A-Za-z]\w*")
_RAW_IDS = frozenset(map(str, range(256)))
_DEPTH_SUFFIXES = IMAGE_SUFFIXES | {".npy"}


@dataclass(frozen=True)
class LabelsTable(ClassesTable):
    """What label files hold: the keys of a classes file, and how files write the classes.

    `[ids]` is id in the files = "class" (others are void); `void` lists ids, or colours with a palette (255 always is).
    """

    ids: dict[str, str] | None = None
    void: tuple[Colour | Byte, ...] = ()

    def __post_init__(self) -> None:
        if self.ids is not None and self.palette is not None:
            raise ValueError("declares both palette and [ids]; keep palette for colour labels, [ids] for ids")
        if self.ids == {}:
            raise ValueError('[ids] is empty; write lines such as 7 = "road"')
        for raw in self.ids or ():
            if raw not in _RAW_IDS:
                raise ValueError(f"[ids] holds {raw!r}, which is no id; give whole numbers from 0 to 255")


@dataclass(frozen=True)
class FolderTable(LabelsTable):
    """The keys of `dataset.toml`: what the files in `labels` hold, and what else there is.

    `depth_unit` is in metres per count; `group = "folder"` says that `images/CLIP/NAME` are clips; `[labels.LABEL]` are
    what the files in `LABEL` hold, the labels of the task `semantic[LABEL]`.
    """

    depth_unit: float | None = None
    group: Literal["folder"] | None = None
    labels: dict[str, LabelsTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth_unit is not None and not 0 < self.depth_unit < math.inf:
            raise ValueError(f"depth_unit: must be metres per count, a number above 0, not {self.depth_unit}")
        for label in self.labels:
            if label in _PARTS or not _LABEL.fullmatch(label):
                raise ValueError(f"[labels.{label}]: give a name of letters, digits and _, not {', '.join(_PARTS)}")


class Folder(FileDataset):
    """Images and labels under `root`, described by `root/dataset.toml` (`FolderTable`).

    Beside `images/NAME.jpg` lie `labels/NAME.png`, `depth/NAME.png` and, for every table `[labels.LABEL]`,
    `LABEL/NAME.png`, the labels of an output that a network calls LABEL. `root/SPLIT/images` is used where some split
    has such a folder, else `root/images`. Without `group` every image forms a group. InputError where a folder, file
    or key is missing or wrong; files are read with a sample.
    """

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        folder = Path(root).expanduser()
        config = folder / "dataset.toml"
        table = _read_config(folder, config)
        base = _split_folder(folder, split)
        nested = table.group is not None
        self.name = table.name or folder.resolve().name
        self.classes, semantic = _semantic(config, table, base / "labels", self.name)
        own = {named(SEMANTIC, label): label for label in table.labels}
        self.own_classes = {task: table.labels[label].class_set(config, label) for task, label in own.items()}
        others = {
            task: _label_files(config, table.labels[label], self.own_classes[task], base / label, nested=nested)
            for task, label in own.items()
        }
        labels = semantic | others | _depth(config, table, base / "depth")
        if not labels:
            raise bad_file(
                base, "has neither labels/ nor depth/", "put one file of the image's name there for every image"
            )
        super().__init__(folder, list_files(base / "images", nested=nested), labels, also=[config])
        self.groups = [name.rpartition("/")[0] if nested else name for name in self.ids]


def _read_config(root: Path, config: Path) -> FolderTable:
    if not root.is_dir():
        raise bad_file(root, "is no folder", "give the folder that holds dataset.toml and images/")
    if not config.is_file():
        raise bad_file(config, "is missing", 'write one with at least: classes = "cityscapes19" (or a list of names)')
    return from_table(FolderTable, read_toml(config), str(config))


def _split_folder(root: Path, split: str | None) -> Path:
    if split is not None and (root / split / "images").is_dir():
        return root / split
    splits = [entry.name for entry in entries(root) if entry.name not in _PARTS and (entry / "images").is_dir()]
    if splits and split is not None:
        raise fault(root, unknown("split", split, splits))
    if splits and not (root / "images").is_dir():
        raise bad_file(root, "has no images/ outside its splits", f"choose a split: {', '.join(splits)}")
    return root


def _semantic(config: Path, table: FolderTable, folder: Path, name: str) -> tuple[ClassSet, dict[str, LabelFiles]]:
    """The classes and the label files; without a labels folder classes may be missing."""
    if not folder.is_dir() and table.classes is None:
        return ClassSet(name, (), ()), {}
    classes = table.class_set(config, name)
    if not folder.is_dir():
        _reader(config, table, classes)  # a fault of the table is one without files too
        return classes, {}
    return classes, {SEMANTIC: _label_files(config, table, classes, folder, nested=table.group is not None)}


def _label_files(config: Path, table: LabelsTable, classes: ClassSet, folder: Path, *, nested: bool) -> LabelFiles:
    return LabelFiles(list_files(folder, nested=nested), _reader(config, table, classes))


def _reader(config: Path, table: LabelsTable, classes: ClassSet) -> Reader:
    return _id_reader(config, table, classes) if table.palette is None else _colour_reader(config, table, classes)


def _colour_reader(config: Path, table: LabelsTable, classes: ClassSet) -> Reader:
    palette: dict[Colour, int] = {entry: index for index, entry in enumerate(classes.palette)}
    for entry in table.void:
        if isinstance(entry, int):
            raise bad_file(config, f"void holds {entry}, but labels are colours", "give each as [r, g, b]")
        if entry in palette:
            raise bad_file(config, f"void holds {list(entry)}, which is a class's colour", "keep it in one place")
        palette[entry] = VOID
    return partial(read_colour_labels, palette=palette)


def _id_reader(config: Path, table: LabelsTable, classes: ClassSet) -> Reader:
    if table.ids is None:
        declared: dict[int, int] = {}
        ids = {index: index for index in range(len(classes))} | {VOID: VOID}
    else:
        declared = {int(raw): class_index(config, classes, name) for raw, name in table.ids.items()}
        ids = dict.fromkeys(range(256), VOID) | declared
    for entry in table.void:
        if not isinstance(entry, int):
            raise bad_file(config, f"void holds {list(entry)}, but no palette is declared", "give ids from 0 to 255")
        if entry in declared:
            raise bad_file(config, f"void holds {entry}, which [ids] gives a class", "keep it in one place")
        ids[entry] = VOID
    return partial(read_mapped_labels, table=ids)


def _depth(config: Path, table: FolderTable, folder: Path) -> dict[str, LabelFiles]:
    if not folder.is_dir():
        return {}
    paths = list_files(folder, _DEPTH_SUFFIXES, nested=table.group is not None)
    if table.depth_unit is None and any(path.suffix.lower() != ".npy" for path in paths.values()):
        raise bad_file(config, "declares no depth_unit", "give metres per count of the depth images, such as 0.01")
    return {"depth": LabelFiles(paths, partial(read_depth, unit=table.depth_unit or 1.0))}
