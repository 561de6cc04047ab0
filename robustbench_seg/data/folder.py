"""Your own images and labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.files import FileDataset, LabelFiles, list_files
from robustbench_seg.data.foldertable import PARTS, FolderTable, LabelsTable, read_folder_table
from robustbench_seg.data.images import IMAGE_SUFFIXES, bad_file, read_depth, read_image
from robustbench_seg.data.splits import Split, choose, find_splits
from robustbench_seg.tasks.names import named

SEMANTIC = "semantic"
_IMAGES, _LABELS, _DEPTH = PARTS
_DEPTH_SUFFIXES = IMAGE_SUFFIXES | {".npy"}


class Folder(FileDataset):
    """Your own images and labels, described by a `dataset.toml`.

    ROOT/dataset.toml      what the labels mean
    ROOT/images/NAME.jpg   or ROOT/SPLIT/images/NAME.jpg, or ROOT/images/SPLIT/NAME.jpg, and so on
    ROOT/labels/NAME.png   ids, or colours where a palette is declared
    ROOT/depth/NAME.png    16-bit counts of depth_unit metres, or .npy
    ROOT/LABEL/NAME.png    further labels, each with a table [labels.LABEL], for the output that a network calls LABEL

    The keys of dataset.toml, all but `classes` optional:

    classes = "cityscapes19"           or "camvid11", or a list of names in the order of their ids
    void = [254, -1]                   ids that do not count, as 255 never does; -1 is 65535 where files have 16 bits
    ids = "labelIds"                   the files hold Cityscapes' labelIds; or a table of 7 = "road" (others are void)
    palette = [[128, 64, 128], ...]    the files hold colours: that of each class
    suffix.labels = "_gtFine_labelIds" what follows NAME in the folder labels; its other files are left out
    splits = "ImageSets/Segmentation"  a folder of SPLIT.txt, each with one NAME a line
    group = "folder"                   images/CLIP/NAME.jpg are frames of clips; else every image forms a group
    orientation = "apply"              turn images as their EXIF says, or "ignore" it
    depth_unit = 0.001                 metres per count

    Without --split it is `val`, or the only split there is. InputError where a folder, file or key is missing or wrong;
    files are read with a sample.
    """

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        folder = Path(root).expanduser()
        config = folder / "dataset.toml"
        table = read_folder_table(folder, config)
        splits = find_splits(folder, table.splits, frozenset(table.folders), clips=table.group is not None)
        chosen = choose(folder, splits, split)
        files = _Files(config, table, chosen)
        self.name = table.name or folder.resolve().name
        self.split, self.splits = chosen.name, tuple(splits)
        self.classes, labels = _semantic(files, self.name)
        self.own_classes = {}
        for label, own in table.labels.items():
            task = named(SEMANTIC, label)
            self.own_classes[task] = own.class_set(config, label)
            labels[task] = files.labels(label, own, self.own_classes[task])
        labels |= _depth(files)
        if not labels:
            fix = "put one file of the image's name there for every image"
            raise bad_file(chosen.folder, "has neither labels/ nor depth/", fix)
        images = chosen.images(files.of(_IMAGES))
        kept = {task: LabelFiles(chosen.only(listed.paths), listed.read) for task, listed in labels.items()}
        also = {"configuration": [config], "split": [chosen.listed] if chosen.listed else []}
        super().__init__(folder, images, kept, also, read=partial(read_image, orientation=table.orientation))
        self.groups = [name.rpartition("/")[0] if table.group else name for name in self.ids]


@dataclass(frozen=True)
class _Files:
    """The files of a split, as `table` says that they are named; `config` is the file it stands in."""

    config: Path
    table: FolderTable
    split: Split

    def has(self, part: str) -> bool:
        """Whether there is a folder of that name."""
        return self.split.at(part).is_dir()

    def of(self, part: str, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
        """The files in a folder by id."""
        nested = self.table.group is not None
        return list_files(self.split.at(part), suffixes, nested=nested, ending=self.table.suffix.get(part, ""))

    def labels(self, part: str, table: LabelsTable, classes: ClassSet) -> LabelFiles:
        """The label files in a folder, which hold what `table` says."""
        return LabelFiles(self.of(part), table.reader(self.config, classes))


def _semantic(files: _Files, name: str) -> tuple[ClassSet, dict[str, LabelFiles]]:
    """The classes and the label files; without a labels folder classes may be missing."""
    if not files.has(_LABELS) and files.table.classes is None:
        return ClassSet(name, (), ()), {}
    classes = files.table.class_set(files.config, name)
    if not files.has(_LABELS):
        files.table.reader(files.config, classes)  # a fault of the table is one without files too
        return classes, {}
    return classes, {SEMANTIC: files.labels(_LABELS, files.table, classes)}


def _depth(files: _Files) -> dict[str, LabelFiles]:
    if not files.has(_DEPTH):
        return {}
    paths = files.of(_DEPTH, _DEPTH_SUFFIXES)
    if files.table.depth_unit is None and any(path.suffix.lower() != ".npy" for path in paths.values()):
        fix = "give metres per count of the depth images, such as 0.01"
        raise bad_file(files.config, "declares no depth_unit", fix)
    return {"depth": LabelFiles(paths, partial(read_depth, unit=files.table.depth_unit or 1.0))}
