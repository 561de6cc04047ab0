"""NYU Depth V2 in whichever of its forms a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import NYU13, NYU40, VOID, ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.data.camera import scaled_intrinsics
from robustbench_seg.data.files import FileDataset, LabelFiles, list_files
from robustbench_seg.data.images import bad_file, read_depth, read_mapped_labels, same_ids
from robustbench_seg.data.nyu.arrays import read_depth_array, read_image_array, read_label_array
from robustbench_seg.data.nyu.labelled import INTRINSICS, LABELLED, NAME, TERMS, LabelledFrames
from robustbench_seg.data.splits import Split
from robustbench_seg.data.trees import check_split, files_of, numbered, unpacked

FORMS = {"train": "train", "test": "val"}
"""The official splits, and what the multi-task forms call them."""

Paths = Mapping[str, Path]
Labels = Mapping[str, LabelFiles]

_MILLIMETRE = 1e-3
_FULL_SIZE = (480, 640)
_TOOLKIT, _MULTI_TASK = "the output of nyuv2-python-toolkit's extract_nyuv2.py", "NYUD_MT.tgz"
_MTAN = "the NYUv2 that MTAN passes on"
_LABELS: tuple[tuple[str, ClassSet], ...] = (("seg40", NYU40), ("seg13", NYU13))


def open_nyuv2(root: str | Path, split: str = "test") -> Dataset:
    """NYU Depth V2's labelled frames with depth; splits are the official `train` (795) and `test` (654), or `val`.

    As published, for which h5py is needed (pip install 'robustbench-seg[nyuv2]'):
    ROOT/nyu_depth_v2_labeled.mat
    ROOT/splits.mat
    As nyuv2-python-toolkit extracts that, in frames of the full size too:
    ROOT/image/SPLIT/00001.png
    ROOT/seg40/SPLIT/00001.png                ids from 0, 255 unlabelled; or seg13
    ROOT/depth/SPLIT/00001.png                16-bit millimetres
    As multi-task papers pass it on since ASTMT, cropped to where there is depth (the files of ATRC or of InvPT):
    ROOT/NYUD_MT/gt_sets/train.txt, val.txt   one name a line
    ROOT/NYUD_MT/images/NAME.jpg or .png
    ROOT/NYUD_MT/segmentation/NAME.png        ids from 1, 0 unlabelled
    ROOT/NYUD_MT/depth/NAME.npy               metres
    As MTAN prepared it and LibMTL passes it on, resized to 288x384:
    ROOT/train/image/0.npy                    0 to 1, rounded to 8 bits; ROOT/val/... are the test frames
    ROOT/train/label/0.npy                    ids of 13 classes, -1 unlabelled
    ROOT/train/depth/0.npy                    metres

    Ids are those of `NYU40`, or of `NYU13` where there are only those; a model with the 13 classes scores on the 40
    through their map (`--classes nyu13`). Depth is the in-painted one, in metres. Frames that are not cropped have
    normals, computed from it with the camera of the data set's toolbox; normals and edges that are stored are not read.
    As published, a scene is a group, else each frame. There is no third split: `val` is `test`. UsageError for another
    one; InputError where ROOT holds none of these, or frames and labels do not match.
    """
    split = "test" if split == "val" else split
    check_split("NYU Depth V2", split, FORMS)
    dataset = _open(Path(root).expanduser(), split)
    dataset.split, dataset.splits = split, tuple(FORMS)
    return dataset


def _open(folder: Path, split: str) -> Dataset:
    if (folder / LABELLED).is_file():
        return LabelledFrames(folder, split)
    if (folder / "image").is_dir():
        return _extracted(folder, split)
    inner = unpacked(folder, "NYUD_MT")
    if (inner / "gt_sets").is_dir():
        return _multi_task(inner, split)
    if (folder / FORMS[split] / "image").is_dir():
        return _arrays(folder, split)
    what = f"holds neither {LABELLED} nor image/, NYUD_MT/ or {FORMS[split]}/image/"
    raise bad_file(folder, what, f"put {LABELLED} and splits.mat there")


class FrameFiles(FileDataset):
    """Frames kept as files; each forms a group."""

    name = NAME
    terms = TERMS

    def __init__(self, root: Path, classes: ClassSet, images: Paths, labels: Labels, **more: Any) -> None:
        super().__init__(root, images, labels, **more)
        self.classes = classes
        self.groups = self.ids


def _extracted(root: Path, split: str) -> Dataset:
    kind, classes = next((pair for pair in _LABELS if (root / pair[0]).is_dir()), _LABELS[0])
    labels = _label_files(numbered(root / kind / split, _TOOLKIT), same_ids(classes))
    if (root / "depth").is_dir():
        depth = numbered(root / "depth" / split, _TOOLKIT)
        labels["depth"] = LabelFiles(depth, partial(read_depth, unit=_MILLIMETRE))
    images = numbered(root / "image" / split, _TOOLKIT)
    return FrameFiles(root, classes, images, labels, intrinsics=_intrinsics)


def _multi_task(root: Path, split: str) -> Dataset:
    listing = root / "gt_sets" / f"{FORMS[split]}.txt"
    chosen = Split(split, root, listing)
    ids = {0: VOID} | {index + 1: index for index in range(len(NYU40))}
    labels = _label_files(chosen.only(files_of(root / "segmentation", ".png", _MULTI_TASK)), ids)
    if (root / "depth").is_dir():
        depth = chosen.only(files_of(root / "depth", ".npy", _MULTI_TASK))
        labels["depth"] = LabelFiles(depth, partial(read_depth, unit=1.0))
    images = chosen.images(list_files(root / "images"))
    return FrameFiles(root, NYU40, images, labels, also={"split": [listing]})


def _arrays(root: Path, split: str) -> Dataset:
    base = root / FORMS[split]
    labels = {"semantic": LabelFiles(_padded(base / "label"), read_label_array)}
    if (base / "depth").is_dir():
        labels["depth"] = LabelFiles(_padded(base / "depth"), read_depth_array)
    images = _padded(base / "image")
    return FrameFiles(root, NYU13, images, labels, intrinsics=_intrinsics, read=read_image_array)


def _padded(folder: Path) -> dict[str, Path]:
    return {number.zfill(5): path for number, path in numbered(folder, _MTAN, suffix=".npy").items()}


def _label_files(paths: Paths, table: Mapping[int, int]) -> dict[str, LabelFiles]:
    return {"semantic": LabelFiles(paths, partial(read_mapped_labels, table=table))}


def _intrinsics(name: str, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return scaled_intrinsics(INTRINSICS, _FULL_SIZE, size)
