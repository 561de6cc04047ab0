"""The semantic segmentation of BDD100K."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.city_labels import FROM_TRAIN_IDS
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import read_mapped_labels
from robustbench_seg.data.trees import check_split, files_of, unpacked

SPLITS = ("train", "val")


class BDD100K(FileDataset):
    """The labelled images of BDD100K's 10K package with the ids of `CITYSCAPES19`, as its archives unpack.

    ROOT/bdd100k/images/10k/SPLIT/NAME.jpg
    ROOT/bdd100k/labels/sem_seg/masks/SPLIT/NAME.png    train ids of Cityscapes, 255 void

    Each image forms a group. Source: https://doc.bdd100k.com/format.html (semantic segmentation) and https://doc.bdd100k.com/download.html.
    """

    name = "bdd100k"
    classes = CITYSCAPES19
    terms = "BDD100K: education, research and not-for-profit; cite Yu et al., CVPR 2020"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `bdd100k`, or that folder itself.

        Splits are `train` (7000 images) and `val` (1000). UsageError for another one; InputError where images and
        labels do not match. Files are read with a sample.
        """
        check_split("BDD100K", split, SPLITS, withheld="test")
        self.split, self.splits = split, SPLITS
        folder = unpacked(root, "bdd100k")
        images = files_of(folder / "images" / "10k" / split, ".jpg", "bdd100k_images_10k.zip (10K Images)")
        masks = folder / "labels" / "sem_seg" / "masks" / split
        labels = files_of(masks, ".png", "bdd100k_sem_seg_labels_trainval.zip (Semantic Segmentation)")
        read = partial(read_mapped_labels, table=FROM_TRAIN_IDS)
        super().__init__(folder, images, {"semantic": LabelFiles(labels, read)})
        self.groups = self.ids
