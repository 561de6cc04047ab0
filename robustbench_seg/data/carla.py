"""Recordings of CARLA: what its cameras save, frame by frame."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import CARLA13, CITYSCAPES19, VOID, ClassSet
from robustbench_seg.data.camera import centred_intrinsics
from robustbench_seg.data.channels import read_depth24, read_red
from robustbench_seg.data.files import FileDataset, LabelFiles, Reader
from robustbench_seg.data.images import IMAGE_SUFFIXES, bad_file, renumber
from robustbench_seg.data.splits import choose, splits_around
from robustbench_seg.strict import Range, from_table, read_toml

FARTHEST = 1000.0
"""Metres of the depth camera's far plane."""

CONFIG = "carla.toml"
_LOSSLESS = frozenset({".png"})
_RENUMBERED = (0, 9, 14)
"""The version from which tags are numbered as Cityscapes' classes."""
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}", re.ASCII)
_OLD_TAGS = (
    None, "building", "fence", None, "pedestrian", "pole", "road", "road", "sidewalk", "vegetation", "vehicle", "wall",
    "traffic sign", "sky", None, None, None, None, "traffic light", None, None, None, "terrain",
)  # fmt: skip
"""The class of each tag before: Unlabeled, Building, Fence, Other, Pedestrian, Pole, RoadLine, Road, SideWalk,
Vegetation, Vehicles, Wall, TrafficSign, Sky, Ground, Bridge, RailTrack, GuardRail, TrafficLight, Static, Dynamic,
Water, Terrain. Road lines are road to Cityscapes."""
_NEW_TAGS = (None, *CITYSCAPES19.names, None, None, None, None, "road", None, None, None, None, None)
"""Since: Unlabeled, the 19 classes, Static, Dynamic, Other, Water, RoadLine, Ground, Bridge, RailTrack, GuardRail, and,
from 0.10 on, Rock."""


@dataclass(frozen=True)
class Recording:
    """The keys of `carla.toml`: the `version` of CARLA, and the horizontal field of view of its cameras in degrees."""

    version: str
    fov: Annotated[float, Range(1, 179)] | None = None

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise ValueError(f'version: must be three numbers such as "0.9.15", not "{self.version}"')

    @property
    def classes(self) -> ClassSet:
        """The classes that the tags of the version tell apart."""
        return CITYSCAPES19 if self._is_new() else CARLA13

    @property
    def table(self) -> dict[int, int]:
        """What the tags are renumbered by."""
        tags, names = _NEW_TAGS if self._is_new() else _OLD_TAGS, self.classes.names
        return {tag: VOID if name is None else names.index(name) for tag, name in enumerate(tags)}

    def _is_new(self) -> bool:
        return tuple(map(int, self.version.split("."))) >= _RENUMBERED


class CARLA(FileDataset):
    """Frames that CARLA's cameras saved, with depth and the ids of `CITYSCAPES19`, or of `CARLA13` before 0.9.14.

    ROOT/carla.toml              version = "0.9.15", of the CARLA that recorded; optional: fov = 90
    ROOT/rgb/000123.png          sensor.camera.rgb
    ROOT/semantic/000123.png     sensor.camera.semantic_segmentation, raw: the tag is in red
    ROOT/depth/000123.png        sensor.camera.depth, raw: 24 bits in RGB

    `semantic` or `depth` may be missing. Depth and `fov`, the horizontal field of view in degrees, give normals.
    Recordings may be split, ROOT/SPLIT/rgb/..., and the files of a kind may lie in folders, one a clip, which is a
    group: ROOT/rgb/CLIP/000123.png.

    The numbers of the tags changed with 0.9.14, and older ones do not tell vehicles apart, so the version must be
    given. Depth is along z, 1000 (R + 256 G + 65536 B) / (2^24 - 1) metres; the far plane, 1000 m, is invalid. Sources:
    "Sensors reference" of CARLA's documentation, 0.9.13; for later tags, CHANGELOG.md of 0.9.14 and its ObjectLabel.h,
    as the documentation of 0.9.14 and 0.9.15 kept the old table (issue 6902).
    """

    name = "carla"
    terms = "CARLA: assets CC BY; cite Dosovitskiy et al., CoRL 2017"

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        """Opens the folder that holds `carla.toml` and `rgb` or `SPLIT/rgb`; without a split `val`, or the only one.

        InputError where the version is not given, there is no such split, frames and labels do not match, or there are
        none. Files are read with a sample.
        """
        folder = Path(root).expanduser()
        config = folder / CONFIG
        recording = _read_config(folder, config)
        readers = _readers(recording)
        splits = splits_around(folder, ("rgb", *readers), "rgb")
        chosen = choose(folder, splits, split, "rgb")
        self.split, self.splits, base = chosen.name, tuple(splits), chosen.folder
        images = _frames(base / "rgb", IMAGE_SUFFIXES)
        labels = {
            task: LabelFiles(_frames(base / task, _LOSSLESS), read)
            for task, read in readers.items()
            if (base / task).is_dir()
        }
        if not labels:
            raise bad_file(base, "has neither semantic/ nor depth/", "put the frames of those cameras beside rgb/")
        intrinsics = partial(_intrinsics, fov=recording.fov) if recording.fov else None
        super().__init__(folder, images, labels, {"recording": [config]}, intrinsics)
        self.classes = recording.classes
        self.groups = [name.rpartition("/")[0] or base.name for name in self.ids]


def _read_config(root: Path, config: Path) -> Recording:
    if not root.is_dir():
        raise bad_file(root, "is no folder", f"give the folder that holds {CONFIG} and rgb/")
    if not config.is_file():
        fix = 'write one that names the CARLA that recorded, such as version = "0.9.15": its tags changed with 0.9.14'
        raise bad_file(config, "is missing", fix)
    return from_table(Recording, read_toml(config), str(config))


def _frames(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """The files of a kind by their path without suffix, at any depth."""
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.name[0] != ".")
    frames = {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
    if not frames:
        raise bad_file(folder, "holds no frames", f"save frames there as {', '.join(sorted(suffixes))}")
    return frames


def _readers(recording: Recording) -> dict[str, Reader]:
    return {
        "semantic": partial(_read_tags, recording=recording),
        "depth": partial(read_depth24, farthest=FARTHEST),
    }


def _read_tags(path: Path, recording: Recording) -> npt.NDArray[np.uint8]:
    return renumber(path, read_red(path), recording.table, advice=_advice)


def _advice(tags: Sequence[int]) -> str:
    return f"save the raw image, without a ColorConverter, or correct the version in {CONFIG}"


def _intrinsics(name: str, size: tuple[int, int], fov: float) -> npt.NDArray[np.float32]:
    return centred_intrinsics(size[1] / (2 * math.tan(math.radians(fov) / 2)), size)
