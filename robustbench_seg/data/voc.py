"""The segmentation of PASCAL VOC 2012."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from robustbench_seg.classes import VOC21
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import bad_file, read_mapped_labels, same_ids
from robustbench_seg.data.splits import Split
from robustbench_seg.data.trees import check_split, files_of, unpacked

SPLITS = ("train", "val", "trainval")

_ARCHIVE = "VOCtrainval_11-May-2012.tar"
_IDS = same_ids(VOC21)


class VOC(FileDataset):
    """The listed images of PASCAL VOC 2012 with the ids of `VOC21`, as VOCtrainval_11-May-2012.tar unpacks.

    ROOT/VOCdevkit/VOC2012/ImageSets/Segmentation/SPLIT.txt    one name a line
    ROOT/VOCdevkit/VOC2012/JPEGImages/NAME.jpg
    ROOT/VOCdevkit/VOC2012/SegmentationClass/NAME.png          palette images: 0 background, 1 to 20, 255 borders

    Borders and what is hard to tell are void. Each image forms a group. torchvision's reader of this tree is not used:
    it checks neither names, sizes nor ids. Source: the development kit,
    http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/index.html.
    """

    name = "voc"
    classes = VOC21
    terms = "PASCAL VOC: images under Flickr's terms of use; cite Everingham et al., IJCV 2015"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds `VOCdevkit`, or `VOC2012` itself.

        Splits are `train` (1464 images), `val` (1449) and `trainval`. UsageError for another one; InputError where a
        listed image or its labels are missing. Files are read with a sample.
        """
        check_split("PASCAL VOC", split, SPLITS, withheld="test")
        self.split, self.splits = split, SPLITS
        folder = unpacked(root, "VOCdevkit/VOC2012")
        listing = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        if not listing.is_file():
            raise bad_file(listing, "is missing", f"unpack {_ARCHIVE}")
        chosen = Split(split, folder, listing)
        images = chosen.images(files_of(folder / "JPEGImages", ".jpg", _ARCHIVE))
        labels = chosen.only(files_of(folder / "SegmentationClass", ".png", _ARCHIVE))
        super().__init__(folder, images, {"semantic": LabelFiles(labels, partial(read_mapped_labels, table=_IDS))})
        self.groups = self.ids
