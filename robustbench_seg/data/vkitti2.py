"""Virtual KITTI 2: five drives of KITTI as rendered worlds, in ten variations, with two cameras."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VKITTI14, VOID
from robustbench_seg.data.base import Sample
from robustbench_seg.data.camera import scaled_intrinsics
from robustbench_seg.data.channels import read_centimetres
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import bad_file, read_colour_labels, read_image
from robustbench_seg.data.trees import numbered
from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown

SCENES = ("Scene01", "Scene02", "Scene06", "Scene18", "Scene20")
PARTS = {"train": SCENES[:4], "val": SCENES[4:], "all": SCENES} | {scene: (scene,) for scene in SCENES}
VARIATIONS = (
    "clone",
    "15-deg-left",
    "15-deg-right",
    "30-deg-left",
    "30-deg-right",
    "fog",
    "morning",
    "overcast",
    "rain",
    "sunset",
)
CAMERAS = ("Camera_0", "Camera_1")
INTRINSICS = np.array([[725.0087, 0, 620.5], [0, 725.0087, 187], [0, 0, 1]], np.float32)
"""The camera of every frame, as each intrinsic.txt has it; pixel centres are integers."""

_FULL_SIZE = (375, 1242)
_PALETTE = {colour: index for index, colour in enumerate(VKITTI14.palette)} | {(0, 0, 0): VOID}
"""What colors.txt, the same in every scene, gives each category; its Undefined is black."""
_ARCHIVE = "vkitti_2.0.3_"


@dataclass(frozen=True)
class Kind:
    """What an archive holds: the folder and the files of its frames."""

    name: str
    prefix: str
    suffix: str = ".png"

    def bases(self, root: Path) -> tuple[Path, Path]:
        """The folders of its own where an archive may be unpacked."""
        return root / f"{_ARCHIVE}{self.name}", root / self.name


RGB, DEPTH, CLASSES = Kind("rgb", "rgb_", ".jpg"), Kind("depth", "depth_"), Kind("classSegmentation", "classgt_")


@dataclass(frozen=True)
class Drive:
    """The frames of one camera in one variation of a scene."""

    scene: str
    variation: str
    camera: str

    @property
    def id(self) -> str:
        """Names its group, and opens the ids of its frames."""
        return f"{self.scene}/{self.variation}/{self.camera}"

    def folder(self, root: Path, kind: Kind) -> Path:
        """Where its frames of a kind are: where their archive is unpacked, in one of the ways of doing so."""
        bases = (*kind.bases(root), root)
        base = next((base for base in bases if (base / self.scene).is_dir()), bases[0])
        return base / self.scene / self.variation / "frames" / kind.name / self.camera

    def files(self, root: Path, kind: Kind) -> dict[str, Path]:
        """Its files of a kind by the ids of the frames; InputError where there are none."""
        archive = f"{_ARCHIVE}{kind.name}.tar in {root / kind.name}"
        paths = numbered(self.folder(root, kind), archive, kind.prefix, kind.suffix)
        return {f"{self.id}/{number}": path for number, path in paths.items()}


class VKITTI2(FileDataset):
    """Virtual KITTI 2's frames with the ids of `VKITTI14`, depth and, from it, normals; a camera's drive is a group.

    ROOT/rgb/Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg
    ROOT/classSegmentation/Scene01/clone/frames/classSegmentation/Camera_0/classgt_00000.png
    ROOT/depth/Scene01/clone/frames/depth/Camera_0/depth_00000.png     optional: depth and normals

    Each archive is unpacked in a folder of its kind, which may have the archive's name (vkitti_2.0.3_rgb), or all are
    in ROOT (ROOT/Scene01/clone/frames/rgb/...). A split is PART/VARIATION/CAMERA, of which the last two may be left out
    (clone, Camera_0). There are no official parts: `train` is all scenes but Scene20, which is `val`, so that no drive
    is in both; others are `all` and each scene's name.

    Depth is along z, in centimetres up to 655.35 m, which stands for the sky and is invalid. Sources: the data set's
    page (europe.naverlabs.com, Virtual KITTI 2), its colors.txt and intrinsic.txt.
    """

    name = "vkitti2"
    classes = VKITTI14
    terms = "Virtual KITTI 2: CC BY-NC-SA 3.0; cite Cabon et al., arXiv:2001.10773, and Gaidon et al., CVPR 2016"

    def __init__(self, root: str | Path, split: str = "val", video: bool = False) -> None:
        """Opens the folder of the archives; a split is such as `val` or `train/fog/Camera_1`.

        `video` leaves out the first and the last frame of each drive, as training on video needs both neighbours.
        UsageError for another split; InputError where frames and labels do not match. Files are read with a sample.
        """
        folder, drives = Path(root).expanduser(), _drives(split)
        self.split, self.splits = split, tuple(PARTS)
        labels = {"semantic": LabelFiles(_all(folder, CLASSES, drives), partial(read_colour_labels, palette=_PALETTE))}
        if any(path.is_dir() for path in (*DEPTH.bases(folder), *(drive.folder(folder, DEPTH) for drive in drives))):
            labels["depth"] = LabelFiles(_all(folder, DEPTH, drives), read_centimetres)
        super().__init__(folder, _all(folder, RGB, drives), labels, intrinsics=_intrinsics)
        if video:
            self.ids = [name for name in self.ids if {_beside(name, -1), _beside(name, 1)} <= self._images.keys()]
        if not self.ids:
            raise bad_file(folder, f"has no frame of {split} with both neighbours", "unpack whole drives")
        self.groups = [name.rpartition("/")[0] for name in self.ids]

    def neighbours(self, index: int) -> tuple[Sample, Sample]:
        """The previous and the next frame of the same camera, without labels; InputError where one is missing."""
        return self._frame(index, -1), self._frame(index, 1)

    def _frame(self, index: int, step: int) -> Sample:
        name = _beside(self.ids[index], step)
        if name not in self._images:
            fix = "open the data set with video=True to leave such frames out"
            raise bad_file(self._images[self.ids[index]], f"has no frame {name} beside it", fix)
        image = read_image(self._images[name])
        return Sample(name, image, {}, {"intrinsics": _intrinsics(name, image.shape[:2])})


def _drives(split: str) -> list[Drive]:
    part, variation, camera = _fields(split)
    _check("split", part, PARTS)
    _check("variation", variation, VARIATIONS)
    _check("camera", camera, CAMERAS)
    return [Drive(scene, variation, camera) for scene in PARTS[part]]


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise UsageError(unknown(f"{what} of vkitti2", name, known))


def _fields(split: str) -> tuple[str, str, str]:
    fields = split.split("/")
    if len(fields) > 3:
        raise UsageError(f"'{split}' is no split of vkitti2; write PART/VARIATION/CAMERA, such as val/fog/Camera_1")
    part, variation, camera = fields + ["", VARIATIONS[0], CAMERAS[0]][len(fields) :]
    return part, variation, camera


def _all(root: Path, kind: Kind, drives: list[Drive]) -> dict[str, Path]:
    return {name: path for drive in drives for name, path in drive.files(root, kind).items()}


def _beside(name: str, step: int) -> str:
    drive, _, number = name.rpartition("/")
    return f"{drive}/{int(number) + step:05d}"


def _intrinsics(name: str, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return scaled_intrinsics(INTRINSICS, _FULL_SIZE, size)
