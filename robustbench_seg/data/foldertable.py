"""What `dataset.toml` says of a folder of your own images, and how label files are read by it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from robustbench_seg.classes import CITYSCAPES19, VOID, ClassSet
from robustbench_seg.data.city_labels import FROM_LABEL_IDS, are_label_ids
from robustbench_seg.data.classfile import ClassesTable, class_index
from robustbench_seg.data.files import Reader
from robustbench_seg.data.images import (
    MAX_ID,
    Colour,
    Orientation,
    bad_file,
    read_colour_labels,
    read_mapped_labels,
    same_ids,
)
from robustbench_seg.data.registry import recognised
from robustbench_seg.registry import unknown
from robustbench_seg.strict import Range, from_table, read_toml

PARTS = ("images", "labels", "depth")
_LABEL = re.compile(r"[A-Za-z]\w*")
_ID = re.compile(r"0|[1-9]\d{0,4}", re.ASCII)
_UNSIGNED = {-1: (VOID, MAX_ID)}
"""What files of 8 and of 16 bits hold for a negative id."""


@dataclass(frozen=True)
class LabelsTable(ClassesTable):
    """What label files hold: the keys of a classes file, and how files write the classes.

    `[ids]` is id in the files = "class" (others are void), or `ids = "labelIds"` Cityscapes' own; `void` lists ids, or
    colours with a palette (255 always is).
    """

    ids: Literal["labelIds"] | dict[str, str] | None = None
    void: tuple[Colour | Annotated[int, Range(-1, MAX_ID)], ...] = ()

    def __post_init__(self) -> None:
        if self.ids is not None and self.palette is not None:
            raise ValueError("declares both palette and [ids]; keep palette for colour labels, [ids] for ids")
        if self.ids == {}:
            raise ValueError('[ids] is empty; write lines such as 7 = "road"')
        for raw in self.ids if isinstance(self.ids, dict) else ():
            if not _ID.fullmatch(raw) or int(raw) > MAX_ID:
                raise ValueError(f"[ids] holds {raw!r}, which is no id; give whole numbers from 0 to {MAX_ID}")

    def reader(self, config: Path, classes: ClassSet) -> Reader:
        """What reads a label file into ids of these classes; InputError where keys of `config` contradict."""
        return self._id_reader(config, classes) if self.palette is None else self._colour_reader(config, classes)

    def _colour_reader(self, config: Path, classes: ClassSet) -> Reader:
        palette: dict[Colour, int] = {entry: index for index, entry in enumerate(classes.palette)}
        for entry in self.void:
            if isinstance(entry, int):
                raise bad_file(config, f"void holds {entry}, but labels are colours", "give each as [r, g, b]")
            if entry in palette:
                raise bad_file(config, f"void holds {list(entry)}, which is a class's colour", "keep it in one place")
            palette[entry] = VOID
        return partial(read_colour_labels, palette=palette)

    def _id_reader(self, config: Path, classes: ClassSet) -> Reader:
        declared = self._declared(config, classes)
        if self.ids is None:
            ids = same_ids(classes)
        else:
            ids = {VOID: VOID} | declared
        for entry in self.void:
            if not isinstance(entry, int):
                fix = f"give ids from -1 to {MAX_ID}"
                raise bad_file(config, f"void holds {list(entry)}, but no palette is declared", fix)
            held = _UNSIGNED.get(entry, (entry,))
            if any(declared.get(one, VOID) != VOID for one in held):
                raise bad_file(config, f"void holds {entry}, which [ids] gives a class", "keep it in one place")
            ids |= dict.fromkeys(held, VOID)
        rest = VOID if isinstance(self.ids, dict) else None
        is_city = self.ids is None and classes.names == CITYSCAPES19.names
        return partial(read_mapped_labels, table=ids, rest=rest, advice=_advice if is_city else _declare)

    def _declared(self, config: Path, classes: ClassSet) -> dict[int, int]:
        if self.ids is None:
            return {}
        if isinstance(self.ids, dict):
            return {int(raw): class_index(config, classes, name) for raw, name in self.ids.items()}
        if classes.names != CITYSCAPES19.names:
            raise bad_file(config, f'ids = "{self.ids}" is for the classes cityscapes19', 'give a table: 7 = "road"')
        return FROM_LABEL_IDS


@dataclass(frozen=True)
class FolderTable(LabelsTable):
    """The keys of `dataset.toml`: what the files in `labels` hold, and what else there is.

    `[suffix]` is folder = what its file names end in besides the name that they share; `splits` a folder of lists;
    `group = "folder"` says that `images/CLIP/NAME` are clips; `orientation` what is done with EXIF's; `depth_unit` is
    in metres per count; `[labels.LABEL]` are what the files in `LABEL` hold, the labels of the task `semantic[LABEL]`.
    """

    suffix: dict[str, str] = field(default_factory=dict)
    splits: str | None = None
    group: Literal["folder"] | None = None
    orientation: Orientation | None = None
    depth_unit: float | None = None
    labels: dict[str, LabelsTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth_unit is not None and not 0 < self.depth_unit < math.inf:
            raise ValueError(f"depth_unit: must be metres per count, a number above 0, not {self.depth_unit}")
        for label in self.labels:
            if label in PARTS or not _LABEL.fullmatch(label):
                raise ValueError(f"[labels.{label}]: give a name of letters, digits and _, not {', '.join(PARTS)}")
        for part in self.suffix.keys() - self.folders:
            raise ValueError(f"suffix: {unknown('folder', part, self.folders)}")
        lists = PurePosixPath(self.splits or "")
        if lists.is_absolute() or ".." in lists.parts:
            raise ValueError(f"splits: must be a folder within the root, not {self.splits!r}")

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of files, by which images and labels are told apart."""
        return (*PARTS, *self.labels)


def read_folder_table(root: Path, config: Path) -> FolderTable:
    """The table in the file `config` of a root; InputError where one of them is missing, or the file is wrong."""
    if not root.is_dir():
        raise bad_file(root, "is no folder", "give the folder that holds dataset.toml and images/")
    if not config.is_file():
        known = recognised(root)
        fix = 'write one with at least: classes = "cityscapes19" (or a list of names)'
        raise bad_file(config, "is missing", f"this is a folder of {known}: write {known}:{root}" if known else fix)
    return from_table(FolderTable, read_toml(config), str(config))


def _declare(ids: Sequence[int]) -> str:
    return "declare them void, or map them to classes"


def _advice(ids: Sequence[int]) -> str:
    """What to do about ids that are no train ids."""
    if are_label_ids(ids):
        return 'these are Cityscapes\' labelIds, not train ids: write ids = "labelIds" in dataset.toml'
    return _declare(ids)
