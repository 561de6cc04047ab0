"""The Cambridge-driving Labeled Video Database with SegNet's 11 classes and 367/101/233 split."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from robustbench_seg.classes import CAMVID11, VOID
from robustbench_seg.data.files import FileDataset, LabelFiles, Reader, list_files
from robustbench_seg.data.images import Colour, bad_file, read_colour_labels, read_mapped_labels, same_ids
from robustbench_seg.data.trees import check_split

SPLITS = ("train", "val", "test")
COLOURS: dict[str, tuple[Colour, str | None]] = {
    "Animal": ((64, 128, 64), "pedestrian"),
    "Archway": ((192, 0, 128), "building"),
    "Bicyclist": ((0, 128, 192), "bicyclist"),
    "Bridge": ((0, 128, 64), "building"),
    "Building": ((128, 0, 0), "building"),
    "Car": ((64, 0, 128), "car"),
    "CartLuggagePram": ((64, 0, 192), "pedestrian"),
    "Child": ((192, 128, 64), "pedestrian"),
    "Column_Pole": ((192, 192, 128), "pole"),
    "Fence": ((64, 64, 128), "fence"),
    "LaneMkgsDriv": ((128, 0, 192), "road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "road"),
    "Misc_Text": ((128, 128, 64), "sign"),
    "MotorcycleScooter": ((192, 0, 192), "bicyclist"),
    "OtherMoving": ((128, 64, 64), "car"),
    "ParkingBlock": ((64, 192, 128), "pavement"),
    "Pedestrian": ((64, 64, 0), "pedestrian"),
    "Road": ((128, 64, 128), "road"),
    "RoadShoulder": ((128, 128, 192), "pavement"),
    "Sidewalk": ((0, 0, 192), "pavement"),
    "SignSymbol": ((192, 128, 128), "sign"),
    "Sky": ((128, 128, 128), "sky"),
    "SUVPickupTruck": ((64, 128, 192), "car"),
    "TrafficCone": ((0, 0, 64), "pole"),
    "TrafficLight": ((0, 64, 64), "sign"),
    "Train": ((192, 64, 128), "car"),
    "Tree": ((128, 128, 0), "tree"),
    "Truck_Bus": ((192, 128, 192), "car"),
    "Tunnel": ((64, 0, 64), "building"),
    "VegetationMisc": ((192, 192, 0), "tree"),
    "Void": ((0, 0, 0), None),
    "Wall": ((64, 192, 0), "building"),
}
"""The 32 classes of the original labels: colour, and the class of the 11 that SegNet's labels give it."""

_FRAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)")
_IDS = same_ids(CAMVID11) | {len(CAMVID11): VOID}


@dataclass(frozen=True)
class Layout:
    """One way CamVid is distributed: its folders (`{split}` is filled in), label suffix and reader.

    `mixed` says that one folder holds all splits, which `split_of` then separates.
    """

    images: str
    labels: str
    read: Reader
    suffix: str = ""
    mixed: bool = False

    def is_at(self, root: Path, split: str) -> bool:
        """Whether both folders of a split are there."""
        return all((root / folder.format(split=split)).is_dir() for folder in (self.images, self.labels))

    def files(self, root: Path, split: str) -> tuple[dict[str, Path], dict[str, Path]]:
        """Images and labels of a split by frame name; InputError where a name or folder is wrong."""
        images = list_files(root / self.images.format(split=split))
        labels = self._unsuffixed(list_files(root / self.labels.format(split=split)))
        if self.mixed:
            images = {name: path for name, path in images.items() if split_of(path) == split}
            labels = {name: path for name, path in labels.items() if split_of(path, self.suffix) == split}
        if not images:
            raise bad_file(root / self.images, f"holds no frame of the split {split}", "copy the missing frames")
        return images, labels

    def _unsuffixed(self, paths: dict[str, Path]) -> dict[str, Path]:
        for name, path in paths.items():
            if not name.endswith(self.suffix):
                raise bad_file(path, f"is a label whose name does not end in {self.suffix}", "rename or remove it")
        return {name.removesuffix(self.suffix): path for name, path in paths.items()}


def _palette() -> dict[Colour, int]:
    return {colour: CAMVID11.names.index(target) if target else VOID for colour, target in COLOURS.values()}


LAYOUTS = (
    Layout("{split}/images", "{split}/labels", partial(read_mapped_labels, table=_IDS)),
    Layout("{split}", "{split}annot", partial(read_mapped_labels, table=_IDS)),
    Layout(
        "701_StillsRaw_full", "LabeledApproved_full", partial(read_colour_labels, palette=_palette()), "_L", mixed=True
    ),
)


class CamVid(FileDataset):
    """CamVid's frames with ids of `CAMVID11`; groups are its clips, so consecutive ids are consecutive frames.

    ROOT/SPLIT/images/NAME.png, labels/NAME.png
    ROOT/SPLIT/NAME.png, ROOT/SPLITannot/NAME.png                             or the SegNet tutorial's
    ROOT/701_StillsRaw_full/NAME.png, ROOT/LabeledApproved_full/NAME_L.png    or the original, in colours

    Splits are `train` (367 frames), `val` (101, one clip) and `test` (233). UsageError for another split, InputError
    where frames and labels do not match; files are read with a sample.
    """

    name = "camvid"
    classes = CAMVID11
    terms = (
        "CamVid: CC BY-NC 4.0, personal and research use; cite Brostow et al., ECCV 2008 "
        "and Pattern Recognition Letters 30(2), 2009"
    )

    def __init__(self, root: str | Path, split: str = "val") -> None:
        check_split("CamVid", split, SPLITS)
        self.split, self.splits = split, SPLITS
        folder = Path(root).expanduser()
        layout = _find_layout(folder, split)
        images, labels = layout.files(folder, split)
        super().__init__(folder, images, {"semantic": LabelFiles(labels, layout.read)})
        self.groups = [name.partition("_")[0] for name in self.ids]


def split_of(path: Path, suffix: str = "") -> str:
    """The split of an original frame by its name, as in the lists of the SegNet tutorial.

    `val` is 0016E5 from 07959 to 08159, labelled at 15 Hz; `test` is Seq05VD and 0001TP from 008550; the rest, at
    1 Hz, is `train`. InputError where the name is no frame of the four clips.
    """
    match = _FRAME.fullmatch(path.stem.removesuffix(suffix))
    if match is None:
        raise bad_file(path, "is not named as a frame of CamVid", "remove it, or name it such as 0016E5_07959")
    clip, frame = match[1], int(match[2])
    if clip == "0016E5" and 7959 <= frame <= 8159:
        return "val"
    return "test" if clip == "Seq05VD" or (clip == "0001TP" and frame >= 8550) else "train"


def _find_layout(root: Path, split: str) -> Layout:
    for layout in LAYOUTS:
        if layout.is_at(root, split):
            return layout
    splits = (name for name in SPLITS if any(layout.is_at(root, name) for layout in LAYOUTS))
    there = ", ".join(splits) or "no split"
    folders = ", or ".join(f"{layout.images} + {layout.labels}".format(split=split) for layout in LAYOUTS)
    raise bad_file(root, f"holds {there} of CamVid, {split} was asked for", f"expected the folders {folders}")
