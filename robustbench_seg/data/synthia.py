"""SYNTHIA: its random images labelled as Cityscapes is (RAND_CITYSCAPES), and the drives of SYNTHIA-SF."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import CITYSCAPES19, VOID
from robustbench_seg.data.camera import centred_intrinsics, scaled_intrinsics
from robustbench_seg.data.channels import read_centimetres, read_depth24, read_red
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import read_deep_channel, renumber
from robustbench_seg.data.trees import check_split, numbered, unpacked

SPLITS = ("train", "val", "all")
SEQUENCES = {"train": ("SEQ2", "SEQ4", "SEQ5", "SEQ6"), "val": ("SEQ3",), "test": ("SEQ1",)}
"""The sequences of each split of SYNTHIA-SF."""
FARTHEST = 1000.0
"""Metres that a full count of SYNTHIA-SF stands for, as in CARLA (SYNTHIA-AL, not read here, has 5000)."""

_NAMES = (
    "void", "sky", "building", "road", "sidewalk", "fence", "vegetation", "pole", "car", "traffic sign", "pedestrian",
    "bicycle", "motorcycle", "parking-slot", "road-work", "traffic light", "terrain", "rider", "truck", "bus", "train",
    "wall", "lanemarking",
)  # fmt: skip
"""The classes of RAND_CITYSCAPES' README.txt, in order of their ids."""
_UNUSED = frozenset({"terrain", "truck", "train"})
"""What Cityscapes evaluates too but the literature leaves out: its 16 classes are the others."""
_FROM_IDS = {
    index: VOID if name in _UNUSED or (found := CITYSCAPES19.find(name)) is None else found
    for index, name in enumerate(_NAMES)
}
_FROM_SF_IDS = dict.fromkeys((0, 21, 22), VOID) | {index: index - 1 for index in range(1, 20)} | {20: 0}
"""0 is void, 1 to 19 are Cityscapes' classes in order, 20 road lines, which are road to it, 21 other, 22 road works."""
_SIZE, _FOCAL = (760, 1280), 532.740352
_SF_SIZE, _SF_FOCAL = (1080, 1920), 847.630211643
_ARCHIVE, _FOLDER = "SYNTHIA_RAND_CITYSCAPES.rar", "RAND_CITYSCAPES"
_SF_ARCHIVE, _SF_FOLDER = "SYNTHIA-SF.zip", "SYNTHIA-SF"


class SYNTHIA(FileDataset):
    """The 9400 images of SYNTHIA-RAND-CITYSCAPES with those ids of `CITYSCAPES19` that the literature uses, 16 classes.

    ROOT/RAND_CITYSCAPES/RGB/0000000.png
    ROOT/RAND_CITYSCAPES/GT/LABELS/0000000.png      16-bit RGB: class, instance, nothing
    ROOT/RAND_CITYSCAPES/Depth/Depth/0000000.png    16 bits, or Depth/0000000.png; optional: depth and normals

    Each image forms a group. There are no official splits: every fifth image is `val`, the others are `train`, which
    makes the 80/20 that papers draw at random, and `all` is both.

    Terrain, truck, train, parking slots, road works and lane markings are void. Depth is in centimetres up to 655.35 m,
    which stands for whatever is farther and is invalid; with it there are normals, by the camera of SYNTHIA's
    sequences, as in DenseMTL 2023, for the README gives none. Sources: the archive's README.txt; the 16 classes are
    those of ADVENT (Vu et al., CVPR 2019) and DenseMTL.
    """

    name = "synthia"
    classes = CITYSCAPES19
    terms = "SYNTHIA: CC BY-NC-SA 3.0; cite Ros et al., CVPR 2016"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `RAND_CITYSCAPES`, or that one itself.

        UsageError for another split; InputError where images and labels do not match. Files are read with a sample.
        """
        check_split("SYNTHIA-RAND-CITYSCAPES", split, SPLITS)
        self.split, self.splits = split, SPLITS
        folder = unpacked(root, _FOLDER)
        labels = {"semantic": LabelFiles(_part(folder / "GT" / "LABELS", split), _read_ids)}
        depth = unpacked(folder / "Depth", "Depth")
        if depth.is_dir():
            labels["depth"] = LabelFiles(_part(depth, split), read_centimetres)
        super().__init__(folder, _part(folder / "RGB", split), labels, intrinsics=_intrinsics)
        self.groups = self.ids


class SYNTHIASF(FileDataset):
    """SYNTHIA-SF's left images with the ids of `CITYSCAPES19`, depth and, from it, normals; a sequence is a group.

    ROOT/SYNTHIA-SF/SEQ1/RGBLeft/0000000.png
    ROOT/SYNTHIA-SF/SEQ1/GTLeft/0000000.png         the class is in red
    ROOT/SYNTHIA-SF/SEQ1/DepthLeft/0000000.png      24 bits in RGB; optional: depth and normals

    Splits are those of AT/DT (Ramirez et al., ICCV 2019), `train` (SEQ2, 4, 5 and 6), `val` (SEQ3) and `test` (SEQ1),
    and each sequence's name.

    Depth is 1000 (R + 256 G + 65536 B) / (2^24 - 1) metres along z; 1000 m, the far plane, is invalid. Sources: the
    classes, focal length and depth of the archive's README.txt as AT/DT's published code and other readers of the set
    have them.
    """

    name = "synthia-sf"
    classes = CITYSCAPES19
    terms = "SYNTHIA-SF: CC BY-NC-SA 3.0; cite Hernandez-Juarez et al., BMVC 2017"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `SYNTHIA-SF`, or that one itself.

        UsageError for another split; InputError where images and labels do not match. Files are read with a sample.
        """
        known = SEQUENCES | {name: (name,) for name in sorted(sum(SEQUENCES.values(), ()))}
        check_split("SYNTHIA-SF", split, known)
        self.split, self.splits = split, tuple(known)
        folder = unpacked(root, _SF_FOLDER)
        drives = [folder / name for name in known[split]]
        labels = {"semantic": LabelFiles(_frames(drives, "GTLeft"), _read_sf_ids)}
        if any((drive / "DepthLeft").is_dir() for drive in drives):
            read = partial(read_depth24, farthest=FARTHEST)
            labels["depth"] = LabelFiles(_frames(drives, "DepthLeft"), read)
        super().__init__(folder, _frames(drives, "RGBLeft"), labels, intrinsics=_sf_intrinsics)
        self.groups = [name.partition("/")[0] for name in self.ids]


def _part(folder: Path, split: str) -> dict[str, Path]:
    """The files of a split, by the number of their image."""
    files = numbered(folder, _ARCHIVE)
    return {name: path for name, path in files.items() if split in ("all", "train" if int(name) % 5 else "val")}


def _frames(drives: list[Path], kind: str) -> dict[str, Path]:
    return {
        f"{drive.name}/{name}": path for drive in drives for name, path in numbered(drive / kind, _SF_ARCHIVE).items()
    }


def _read_ids(path: Path) -> npt.NDArray[np.uint8]:
    return renumber(path, read_deep_channel(path), _FROM_IDS)


def _read_sf_ids(path: Path) -> npt.NDArray[np.uint8]:
    return renumber(path, read_red(path), _FROM_SF_IDS)


def _intrinsics(name: str, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return scaled_intrinsics(centred_intrinsics(_FOCAL, _SIZE), _SIZE, size)


def _sf_intrinsics(name: str, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return scaled_intrinsics(centred_intrinsics(_SF_FOCAL, _SF_SIZE), _SF_SIZE, size)
