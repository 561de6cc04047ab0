"""Cityscapes in its official folders: fine labels, instances, depth from disparity, and the video around."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Array, Sample
from robustbench_seg.data.camera import scaled_intrinsics
from robustbench_seg.data.city_labels import COUNTABLE, FROM_LABEL_IDS, FROM_TRAIN_IDS
from robustbench_seg.data.derived import WithDerived
from robustbench_seg.data.files import FileDataset, LabelFiles, check_pairs, entries, files_ending
from robustbench_seg.data.images import bad_file, check_size, read_counts, read_image, read_json, read_mapped_labels
from robustbench_seg.data.instances import (
    DETECTION,
    INSTANCE,
    INSTANCE_DEPTH,
    INSTANCES,
    check_count,
    instances_label,
)
from robustbench_seg.data.stereo import Stereo, read_disparity
from robustbench_seg.data.trees import check_split, files_within
from robustbench_seg.registry import one_line

SPLITS = ("train", "val")
NOMINAL = Stereo(focal=2262.52, baseline=0.209313)
"""The rig where there are no camera files (the values that the literature fixes)."""

_FULL_SIZE = (1024, 2048)
"""(H,W) of the frames that camera files describe, pixels."""
_IMAGE = "_leftImg8bit.png"
_LABELS = {"_gtFine_labelIds.png": FROM_LABEL_IDS, "_gtFine_labelTrainIds.png": FROM_TRAIN_IDS}
_INSTANCES = "_gtFine_instanceIds.png"
_PER_LABEL = 1000
"""An instance id is label id * 1000 + number; below 1000 it is a label id, of a group or of what has no instances."""
_DISPARITY = "_disparity.png"
_FRAME = re.compile(r".+_\d{6}_\d{6}")


class Cityscapes(FileDataset):
    """Cityscapes' finely labelled frames with the ids of `CITYSCAPES19`, and depth where disparity is there.

    ROOT/leftImg8bit/SPLIT/CITY/*_leftImg8bit.png
    ROOT/gtFine/SPLIT/CITY/*_gtFine_labelIds.png             or *_gtFine_labelTrainIds.png
    ROOT/gtFine/SPLIT/CITY/*_gtFine_instanceIds.png          optional: instances
    ROOT/disparity/SPLIT/CITY/*_disparity.png                optional: depth
    ROOT/camera/SPLIT/CITY/*_camera.json                     optional: focal length and baseline of each image
    ROOT/leftImg8bit_sequence/SPLIT/CITY/*_leftImg8bit.png   optional: neighbours

    With camera files too there are normals (`normals_from_depth`), with instance ids the tasks on instances, read where
    they are asked for: what cannot be told apart (the labels' groups) is one crowd per class, and instances of caravan
    and trailer, which are not evaluated, are void.

    Each labelled frame comes from a separate video snippet, seconds from the next one, so each forms a group. Depth is
    that of `read_disparity` with the rig of each image's camera file, or with `NOMINAL` where the split has no `camera`
    folder (then `Sample.camera` is None). Neighbours are no part of the fingerprint.
    torchvision's reader of this tree is not used: it checks neither names, sizes nor ids, and reads no depth.
    """

    name = "cityscapes"
    classes = CITYSCAPES19
    terms = "Cityscapes: non-commercial research and teaching, registration needed; cite Cordts et al., CVPR 2016"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `leftImg8bit` and `gtFine`; splits are `train` (2975 frames) and `val` (500).

        UsageError for another split, also `test`, whose labels are withheld; InputError where frames and labels do not
        match. Files are read with a sample.
        """
        check_split("Cityscapes", split, SPLITS, withheld="test")
        self.split, self.splits = split, SPLITS
        folder = Path(root).expanduser()
        images = _images(folder / "leftImg8bit" / split)
        cameras = folder / "camera" / split
        files = {name: cameras / path.parent.name / f"{name}_camera.json" for name, path in images.items()}
        self._cameras = files if cameras.is_dir() else {}
        self._sequences = folder / "leftImg8bit_sequence" / split
        labels = {"semantic": _semantic(folder / "gtFine" / split)}
        disparity = folder / "disparity" / split
        if disparity.is_dir():
            read = partial(_read_depth, cameras=self._cameras)
            labels["depth"] = LabelFiles(files_ending(_cities(disparity), _DISPARITY), read)
        intrinsics = partial(_read_intrinsics, cameras=self._cameras) if self._cameras else None
        self._instances = files_ending(_cities(folder / "gtFine" / split), _INSTANCES)
        also = {"camera": self._cameras.values(), "instances": self._instances.values()}
        super().__init__(folder, images, labels, also, intrinsics)
        if self._instances:
            check_pairs(INSTANCE, images, self._instances)
            depth = [INSTANCE_DEPTH] if "depth" in self.tasks else []
            self.tasks = (*self.tasks, DETECTION, INSTANCE, *depth)
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; InputError where a file is wrong or a label differs in size from its image."""
        sample = super().__getitem__(index)
        if not self._instances:
            return sample
        path, size = self._instances[sample.id], sample.image.shape[:2]
        read = partial(_read_instances, path=path, size=size)
        return replace(sample, labels=WithDerived(sample.labels, INSTANCES, read))

    def neighbours(self, index: int) -> tuple[Sample, Sample]:
        """The previous and the next frame of the video, with the camera of the labelled one and no labels.

        InputError where `leftImg8bit_sequence` lacks one of them.
        """
        return self._frame(index, -1), self._frame(index, 1)

    def _frame(self, index: int, step: int) -> Sample:
        labelled = self.ids[index]
        snippet, _, number = labelled.rpartition("_")
        name = f"{snippet}_{int(number) + step:06d}"
        path = self._sequences / self._images[labelled].parent.name / (name + _IMAGE)
        if not path.is_file():
            what = f"is missing, it is a neighbour of {labelled}"
            raise bad_file(path, what, "unpack leftImg8bit_sequence_trainvaltest.zip beside leftImg8bit")
        image = read_image(path)
        # The header alone: the labelled image is decoded elsewhere.
        with Image.open(self._images[labelled]) as opened:
            size = opened.size[::-1]
        check_size(path, image.shape, size, "the labelled frame", "unpack both from one download")
        camera = {"intrinsics": self._intrinsics(labelled, size)} if self._intrinsics else None
        return Sample(name, image, {}, camera)


def read_camera(path: Path) -> tuple[npt.NDArray[np.float32], Stereo]:
    """The intrinsics (3,3) of the full-size frame and the stereo rig that a camera file of Cityscapes describes.

    InputError where the file cannot be read, is no JSON, or lacks a number above 0.
    """
    fix = "copy Cityscapes' camera file again"
    try:
        table = read_json(path, fix)
        fx, fy, column, row = (float(table["intrinsic"][key]) for key in ("fx", "fy", "u0", "v0"))
        baseline = float(table["extrinsic"]["baseline"])
    except KeyError as error:
        raise bad_file(path, f"has no {error.args[0]}", fix) from None
    except (ValueError, TypeError) as error:
        raise bad_file(path, f"is no camera file ({one_line(error)})", fix) from None
    if not all(0 < value < math.inf for value in (fx, fy, column, row, baseline)):
        raise bad_file(path, "has an intrinsic or baseline that is not above 0", fix)
    return np.array([[fx, 0, column], [0, fy, row], [0, 0, 1]], np.float32), Stereo(fx, baseline)


def _cities(folder: Path) -> Iterator[Path]:
    return (entry for entry in entries(folder) if entry.is_dir())


def _images(folder: Path) -> dict[str, Path]:
    images = files_within(folder, "CITY", _IMAGE, "leftImg8bit_trainvaltest.zip in the root")
    for name, path in images.items():
        if not _FRAME.fullmatch(name):
            raise bad_file(path, "is not named as a frame of Cityscapes", f"name it CITY_SEQUENCE_FRAME{_IMAGE}")
    return images


def _semantic(folder: Path) -> LabelFiles:
    ending = next((kind for kind in _LABELS if any(folder.glob(f"*/*{kind}"))), next(iter(_LABELS)))
    paths = files_within(folder, "CITY", ending, "gtFine_trainvaltest.zip in the root")
    return LabelFiles(paths, partial(read_mapped_labels, table=_LABELS[ending]))


def _read_instances(labels: Mapping[str, object], path: Path, size: tuple[int, int]) -> dict[str, Array]:
    fix = "copy Cityscapes' file again"
    ids = read_counts(path, fix)
    check_size(path, ids.shape, size, "its image", fix)
    label_of = {name: name // _PER_LABEL or name for name in np.unique(ids).tolist()}
    for name, label in label_of.items():
        if label not in FROM_LABEL_IDS:
            raise bad_file(path, f"holds {name}, an instance id of no label of Cityscapes", fix)
    names = [name for name, label in label_of.items() if label in COUNTABLE]
    check_count(path, len(names), size)
    masks = ids == np.array(names, ids.dtype)[:, None, None]
    classes = [FROM_LABEL_IDS[label_of[name]] for name in names]
    depth = np.asarray(labels["depth"], np.float32) if "depth" in labels else None
    return instances_label(masks, classes, [name < _PER_LABEL for name in names], depth=depth)


def _read_intrinsics(name: str, size: tuple[int, int], cameras: Mapping[str, Path]) -> npt.NDArray[np.float32]:
    return scaled_intrinsics(read_camera(cameras[name])[0], _FULL_SIZE, size)


def _read_depth(path: Path, cameras: Mapping[str, Path]) -> npt.NDArray[np.float32]:
    camera = cameras.get(path.name.removesuffix(_DISPARITY))
    return read_disparity(path, read_camera(camera)[1] if camera else NOMINAL, zero=1)
