"""ACDC, driving in adverse conditions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.city_labels import FROM_LABEL_IDS, FROM_TRAIN_IDS
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import read_mapped_labels
from robustbench_seg.data.trees import check_split, files_within

CONDITIONS = ("fog", "night", "rain", "snow")
SPLITS = ("train", "val", *(f"{condition}/{part}" for condition in CONDITIONS for part in ("train", "val")))

_TRAIN_IDS = "_gt_labelTrainIds.png"
_LABELS = {_TRAIN_IDS: FROM_TRAIN_IDS, "_gt_labelIds.png": FROM_LABEL_IDS}


class ACDC(FileDataset):
    """ACDC's frames in fog, night, rain and snow with the ids of `CITYSCAPES19`, as its archives unpack.

    ROOT/rgb_anon/CONDITION/SPLIT/RECORDING/RECORDING_frame_000041_rgb_anon.png
    ROOT/gt/CONDITION/SPLIT/RECORDING/RECORDING_frame_000041_gt_labelTrainIds.png    or *_gt_labelIds.png

    The reference frames are no part. Recordings form groups: the camera wrote a long one as chapters GOPR0376,
    GP010376, ... Labels are those of Cityscapes. Source: https://acdc.vision.ee.ethz.ch/overview.
    """

    name = "acdc"
    classes = CITYSCAPES19
    terms = "ACDC: non-commercial research and teaching, registration needed; cite Sakaridis et al., ICCV 2021"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `rgb_anon` and `gt`.

        Splits are `train` (1600 frames) and `val` (406), or those of one condition, such as `night/val`. UsageError
        for another one; InputError where frames and labels do not match. Files are read with a sample.
        """
        check_split("ACDC", split, SPLITS, withheld="test")
        self.split, self.splits = split, SPLITS
        condition, _, part = split.rpartition("/")
        folder = Path(root).expanduser()
        conditions = (condition,) if condition else CONDITIONS
        images = _frames(folder / "rgb_anon", conditions, part, "_rgb_anon.png", "rgb_anon_trainvaltest.zip")
        folders = [folder / "gt" / condition / part for condition in conditions]
        ending = next((kind for kind in _LABELS if all(any(base.glob(f"*/*{kind}")) for base in folders)), _TRAIN_IDS)
        labels = _frames(folder / "gt", conditions, part, ending, "gt_trainval.zip")
        read = partial(read_mapped_labels, table=_LABELS[ending])
        super().__init__(folder, images, {"semantic": LabelFiles(labels, read)})
        self.groups = [_recording(name) for name in self.ids]


def _frames(base: Path, conditions: Iterable[str], split: str, ending: str, archive: str) -> dict[str, Path]:
    """The files of some conditions by `CONDITION/RECORDING_frame_NUMBER`."""
    frames: dict[str, Path] = {}
    for condition in conditions:
        found = files_within(base / condition / split, "RECORDING", ending, f"{archive} in the root")
        frames |= {f"{condition}/{name}": path for name, path in found.items()}
    return frames


def _recording(name: str) -> str:
    """The recording of a frame: the condition and the number that its chapters share."""
    condition, _, frame = name.partition("/")
    chapter, _, _ = frame.partition("_")
    return f"{condition}/{chapter[-4:]}"
