"""Mapillary Vistas, with the labels of v1.2 and of v2.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import Colour, bad_file, read_json, read_mapped_labels
from robustbench_seg.data.trees import check_split, files_of
from robustbench_seg.strict import known_part

SPLITS = {"train": "training", "val": "validation"}

_ARCHIVE = "the archive of Mapillary Vistas in the root"
_FIX = "copy the config of Mapillary Vistas again"


@dataclass(frozen=True)
class Label:
    """What the config says of an id: its name, whether it is evaluated, and its colour."""

    readable: str
    evaluate: bool
    color: Colour


class Mapillary(FileDataset):
    """Mapillary Vistas with the labels of v1.2, from the release of v1.2 or from that of v2.0, which holds them too.

    ROOT/validation/images/NAME.jpg         or training
    ROOT/config.json                        v1.2: the names of the ids, in order
    ROOT/validation/labels/NAME.png         palette images
    ROOT/config_v1.2.json                   v2.0
    ROOT/validation/v1.2/labels/NAME.png

    Each image forms a group. The classes are those that the config says are evaluated (65), in its order and under its
    readable names; the others are void. A model with Cityscapes' 19 classes is measured on what
    `CITYSCAPES_OF_MAPILLARY` maps to them. Source: the archive's config, https://www.mapillary.com/dataset/vistas.
    """

    name = "mapillary"
    terms = "Mapillary Vistas: CC BY-NC-SA 4.0, registration needed; cite Neuhold et al., ICCV 2017"
    layouts: ClassVar[Mapping[str, str]] = {"config_v1.2.json": "v1.2/labels", "config.json": "labels"}
    """The folder of a split that holds the labels, by the config that says what they mean."""

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `training`, `validation` and a config.

        Splits are `train` (18000 images) and `val` (2000). UsageError for another one; InputError where the config is
        missing or wrong, or images and labels do not match. Files are read with a sample.
        """
        check_split("Mapillary Vistas", split, SPLITS, withheld="test")
        self.split, self.splits = split, tuple(SPLITS)
        folder = Path(root).expanduser()
        config = next((folder / name for name in self.layouts if (folder / name).is_file()), None)
        if config is None:
            raise bad_file(folder, f"holds no {' nor '.join(self.layouts)}", f"unpack {_ARCHIVE}")
        self.classes, ids = read_config(config)
        base = folder / SPLITS[split]
        images = files_of(base / "images", ".jpg", _ARCHIVE)
        labels = files_of(base / self.layouts[config.name], ".png", _ARCHIVE)
        read = partial(read_mapped_labels, table=ids)
        super().__init__(folder, images, {"semantic": LabelFiles(labels, read)}, also={"classes": [config]})
        self.groups = self.ids


class MapillaryV2(Mapillary):
    """Mapillary Vistas with the labels of v2.0, of whose 124 classes 116 are evaluated.

    ROOT/validation/images/NAME.jpg         or training
    ROOT/config_v2.0.json                   the names of the ids, in order
    ROOT/validation/v2.0/labels/NAME.png    palette images

    A model with other classes is measured on those of the same names.
    """

    name = "mapillary-v2"
    layouts: ClassVar[Mapping[str, str]] = {"config_v2.0.json": "v2.0/labels"}


def read_config(path: Path) -> tuple[ClassSet, dict[int, int]]:
    """The classes that a config of Mapillary Vistas evaluates, and what becomes of each id in the label files.

    InputError where the file cannot be read or is no config, evaluates no class or too many, or two of one name.
    """
    labels = _labels(path)
    if len(labels) > VOID:
        raise bad_file(path, f"has {len(labels)} labels, at most {VOID} fit", _FIX)
    evaluated = [index for index, label in enumerate(labels) if label.evaluate]
    names = tuple(labels[index].readable for index in evaluated)
    if not names:
        raise bad_file(path, "evaluates no label", _FIX)
    if len(set(names)) < len(names):
        raise bad_file(path, "gives two labels one name", _FIX)
    colours = tuple(labels[index].color for index in evaluated)
    ids = dict.fromkeys(range(len(labels)), VOID) | {index: number for number, index in enumerate(evaluated)}
    return ClassSet(f"mapillary{len(names)}", names, colours), ids


def _labels(path: Path) -> list[Label]:
    config = read_json(path, _FIX)
    entries = config.get("labels") if isinstance(config, dict) else None
    if not isinstance(entries, list):
        raise bad_file(path, "is no config of Mapillary Vistas", _FIX)
    return [known_part(Label, entry, f"{path}: labels[{index}]") for index, entry in enumerate(entries)]
