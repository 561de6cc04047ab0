"""ADE20K's scene parsing benchmark (SceneParse150)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from robustbench_seg.classes import ADE20K150, VOID
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import bad_file, read_mapped_labels
from robustbench_seg.data.trees import check_split, files_of, unpacked

SPLITS = {"train": "training", "val": "validation"}

_ARCHIVE = "ADEChallengeData2016.zip"
_IDS = {0: VOID} | {index + 1: index for index in range(len(ADE20K150))}


class ADE20K(FileDataset):
    """ADE20K's scene parsing benchmark with the ids of `ADE20K150`, as ADEChallengeData2016.zip unpacks.

    ROOT/ADEChallengeData2016/images/validation/ADE_val_00000001.jpg         or training/ADE_train_00000001.jpg
    ROOT/ADEChallengeData2016/annotations/validation/ADE_val_00000001.png    0 other objects, 1 to 150

    Other objects are void, as in the benchmark's evaluation. Each image forms a group. Source: the development kit,
    https://github.com/CSAILVision/sceneparsing.
    """

    name = "ade20k"
    classes = ADE20K150
    terms = "ADE20K: non-commercial research and education; cite Zhou et al., CVPR 2017"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `ADEChallengeData2016`, or that folder itself.

        Splits are `train` (20210 images) and `val` (2000). UsageError for another one; InputError where images and
        labels do not match, or the root is the full release. Files are read with a sample.
        """
        check_split("ADE20K", split, SPLITS, withheld="test")
        self.split, self.splits = split, tuple(SPLITS)
        folder = unpacked(root, "ADEChallengeData2016")
        if any(folder.glob("index_ade20k.*")):
            what = "is the full release of ADE20K, whose labels are not the benchmark's 150 classes"
            raise bad_file(folder, what, f"give what {_ARCHIVE} unpacks")
        images = files_of(folder / "images" / SPLITS[split], ".jpg", _ARCHIVE)
        labels = files_of(folder / "annotations" / SPLITS[split], ".png", _ARCHIVE)
        super().__init__(folder, images, {"semantic": LabelFiles(labels, partial(read_mapped_labels, table=_IDS))})
        self.groups = self.ids
