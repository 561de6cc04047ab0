"""Class sets, their aliases, and declared maps between them.

A `ClassSet` names the ids of a model's logits or of a data set's labels. Two sets are joined by
`align`, which says which logits to merge (maximum over member logits) and how to renumber labels,
so that a 19-class model scores on an 11-class data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from robustbench_seg.class_names import (
    ADE20K,
    CARLA,
    CARLA_OF_CITYSCAPES,
    CITYSCAPES_OF_MAPILLARY,
    CITYSCAPES_OF_VKITTI,
    MAPILLARY,
    NYU,
    NYU_COARSE,
    VKITTI,
    VOC,
)
from robustbench_seg.errors import InputError, UsageError

VOID = 255
"""The label id that leaves loss, gradient and metric."""
REST = "*"
"""In a map, every class of the other set that it does not name."""

_ALIASES = {
    "pedestrian": "person",
    "bicyclist": "rider",
    "cyclist": "rider",
    "pavement": "sidewalk",
    "tree": "vegetation",
    "sign": "traffic sign",
    "sign symbol": "traffic sign",
    "column pole": "pole",
    "motorbike": "motorcycle",
    "bike": "bicycle",
}


def canonical(name: str) -> str:
    """The canonical spelling of a class name: lower case, spaces, aliases resolved."""
    plain = name.strip().lower().replace("_", " ").replace("-", " ")
    return _ALIASES.get(plain, plain)


@dataclass(frozen=True)
class ClassSet:
    """An ordered set of class names; ids are positions.

    `palette` holds one RGB triple (0..255) per class. `maps` holds declared maps from other sets:
    `maps[other][name of a class there] = name of a class here`; `REST` stands for all others there.
    """

    name: str
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False, hash=False)

    def __post_init__(self) -> None:
        if len(self.palette) != len(self.names):
            raise ValueError(f"{len(self.palette)} colours for {len(self.names)} classes in {self.name}")
        if len(self.names) > VOID:
            raise ValueError(f"{len(self.names)} classes in {self.name}; at most {VOID} fit, as id {VOID} is void")

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """The id of a class by name, else by alias; None where the set lacks it."""
        if name in self.names:
            return self.names.index(name)
        spelled = [canonical(own) for own in self.names]
        return spelled.index(canonical(name)) if canonical(name) in spelled else None


@dataclass(frozen=True)
class Alignment:
    """How a model's logits and a data set's labels meet in one class set.

    `logit_members[i]` are the model's channels merged into class i, `label_map` (256,) uint8 renumbers the
    labels (void stays void), `missing` names the data set's classes that the model cannot predict:
    their pixels are void for it. `channels` is how many the model has, None where that is not known.
    """

    classes: ClassSet
    logit_members: tuple[tuple[int, ...], ...]
    label_map: npt.NDArray[np.uint8]
    missing: tuple[str, ...] = ()
    channels: int | None = None

    def keeps(self, channels: int) -> bool:
        """Whether logits of so many channels need no merging: each is one class, in order.

        InputError where the model should have another number.
        """
        if self.channels not in (None, channels):
            raise InputError(f"the model gives {channels} channels for {self.channels} classes; see --classes")
        return self.logit_members == tuple((i,) for i in range(channels))


def align(model: ClassSet, data: ClassSet) -> Alignment:
    """Join a model's and a data set's classes; errors name both sets and what to declare.

    Tried in order: a declared map from the model's set to the data's (logits are merged), a declared map from
    the data's set to the model's (labels are renumbered), the same names (aliases count; channels without a
    class in the data are left out).
    """
    if model.name in data.maps:
        return _merge_logits(model, data, data.maps[model.name])
    if data.name in model.maps:
        return _renumber_labels(model, data, model.maps[data.name])
    return _merge_logits(model, data, {own: own for own in model.names})


def default_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """Distinct colours for up to 255 classes: PASCAL VOC's, which deal the bits of 1, 2, 3, ... to R, G and B."""
    return tuple(_spread(index) for index in range(1, count + 1))


def _spread(index: int) -> tuple[int, int, int]:
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return (channels[0], channels[1], channels[2])


def _merge_logits(model: ClassSet, data: ClassSet, mapping: Mapping[str, str]) -> Alignment:
    members: list[list[int]] = [[] for _ in data.names]
    for source, target in _whole(mapping, model).items():
        channel, index = model.find(source), data.find(target)
        if channel is not None and index is not None:
            members[index].append(channel)
    present = [i for i, group in enumerate(members) if group]
    if not present:
        raise _nothing_shared(model, data)
    label_map = np.full(256, VOID, np.uint8)
    label_map[present] = range(len(present))
    classes = data if len(present) == len(data) else _subset(data, present)
    missing = tuple(data.names[i] for i, group in enumerate(members) if not group)
    return Alignment(classes, tuple(tuple(sorted(set(members[i]))) for i in present), label_map, missing, len(model))


def _renumber_labels(model: ClassSet, data: ClassSet, mapping: Mapping[str, str]) -> Alignment:
    label_map = np.full(256, VOID, np.uint8)
    for source, target in _whole(mapping, data).items():
        index, channel = data.find(source), model.find(target)
        if index is not None and channel is not None:
            label_map[index] = channel
    missing = tuple(name for index, name in enumerate(data.names) if label_map[index] == VOID)
    if len(missing) == len(data):
        raise _nothing_shared(model, data)
    return Alignment(model, tuple((i,) for i in range(len(model))), label_map, missing, len(model))


def _whole(mapping: Mapping[str, str], other: ClassSet) -> Mapping[str, str]:
    """A map from another set in which every class has its name."""
    if REST not in mapping:
        return mapping
    named = {name: here for name, here in mapping.items() if name != REST}
    known = {other.find(name) for name in named}
    return named | {name: mapping[REST] for index, name in enumerate(other.names) if index not in known}


def _nothing_shared(model: ClassSet, data: ClassSet) -> UsageError:
    return UsageError(
        f"the model's classes ({model.name}) and the data set's ({data.name}) share no name; "
        "declare a map in the classes file given with --classes ([maps.<other set>])"
    )


def _subset(classes: ClassSet, keep: list[int]) -> ClassSet:
    return ClassSet(classes.name, tuple(classes.names[i] for i in keep), tuple(classes.palette[i] for i in keep))


_C19 = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
_C11 = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (0, 0, 192),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
_C11_OF_C19 = {
    "sky": ("sky",),
    "building": ("building", "wall"),
    "pole": ("pole",),
    "road": ("road",),
    "pavement": ("sidewalk",),
    "tree": ("vegetation", "terrain"),
    "sign": ("traffic sign", "traffic light"),
    "fence": ("fence",),
    "car": ("car", "truck", "bus", "train"),
    "pedestrian": ("person",),
    "bicyclist": ("rider", "motorcycle", "bicycle"),
}

_C19_TO_C11 = {member: name for name, members in _C11_OF_C19.items() for member in members}
MAPILLARY65 = ClassSet("mapillary65", tuple(MAPILLARY), tuple(MAPILLARY.values()))
VKITTI14 = ClassSet("vkitti14", tuple(VKITTI), tuple(VKITTI.values()))
_TO_C19 = {MAPILLARY65.name: CITYSCAPES_OF_MAPILLARY, VKITTI14.name: CITYSCAPES_OF_VKITTI}
CITYSCAPES19 = ClassSet("cityscapes19", tuple(_C19), tuple(_C19.values()), _TO_C19)
CAMVID11 = ClassSet("camvid11", tuple(_C11), tuple(_C11.values()), {CITYSCAPES19.name: _C19_TO_C11})
CARLA13 = ClassSet("carla13", tuple(CARLA), tuple(CARLA.values()), {CITYSCAPES19.name: CARLA_OF_CITYSCAPES})
VOC21 = ClassSet("voc21", VOC, ((0, 0, 0), *default_palette(len(VOC) - 1)))
ADE20K150 = ClassSet("ade20k150", ADE20K, default_palette(len(ADE20K)))
NYU40 = ClassSet("nyu40", tuple(NYU), default_palette(len(NYU)))
NYU13 = ClassSet("nyu13", NYU_COARSE, default_palette(len(NYU_COARSE)), {NYU40.name: NYU})
_SETS = (CITYSCAPES19, CAMVID11, VOC21, ADE20K150, MAPILLARY65, VKITTI14, CARLA13, NYU40, NYU13)
CLASS_SETS = {classes.name: classes for classes in _SETS}
