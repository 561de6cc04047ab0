"""Instances in COCO's format: the official tree, and what annotation tools export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from robustbench_seg.data.base import Sample
from robustbench_seg.data.coco.annotations import AnnotationFile, Record
from robustbench_seg.data.coco.masks import read_instances
from robustbench_seg.data.derived import WithDerived
from robustbench_seg.data.files import FileDataset
from robustbench_seg.data.images import bad_file, check_size
from robustbench_seg.data.instances import DETECTION, INSTANCE, INSTANCES

_YEAR = "2017"
_FIX = "unpack val2017.zip and annotations_trainval2017.zip in the root, or export images/ and annotations.json"


class COCO(FileDataset):
    """Images and instances in COCO's format; ids are file names, each image forms a group.

    ROOT/annotations/instances_val2017.json     with ROOT/val2017/NAME.jpg
    ROOT/annotations/instances_SPLIT.json       with ROOT/SPLIT/NAME.jpg or ROOT/images/NAME.jpg
    ROOT/annotations.json                       with ROOT/images/NAME.jpg: the split val

    Classes are the file's categories in order of their ids, which may have gaps. Images without annotations are
    samples without instances; those of the folder that the file does not list are none. Crowds (`iscrowd`) are no
    instances: they excuse the detections inside of them, as in COCO's own evaluation. Annotations without a mask are
    allowed where no annotation has one; then there is no task `instance`. Labels are read where they are asked for.
    """

    name = "coco"
    terms = "COCO: annotations CC BY 4.0, images under their own licences; cite Lin et al., ECCV 2014"

    def __init__(self, root: str | Path, split: str = "val") -> None:
        """Opens the folder that holds the annotations, `split` being val or train, or the name that files give it.

        InputError where the annotation file or an image is missing, or the file's lists contradict each other; an
        annotation is checked with its sample.
        """
        folder = Path(root).expanduser()
        path, base = _find(folder, split)
        self._file = AnnotationFile.read(path)
        images = {name: base / name for name in self._file.records}
        for name, image in images.items():
            if not image.is_file():
                raise bad_file(image, f"is missing, {path} lists {name}", "copy the images that belong to the file")
        super().__init__(folder, images, {}, also={"instances": [path]})
        self.split = split
        self.classes = self._file.classes
        self.tasks = (DETECTION, INSTANCE) if self._file.has_masks else (DETECTION,)
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; InputError where the image is wrong or not of the size that the file gives it.

        So is the label where an annotation is wrong, when it is asked for.
        """
        sample = super().__getitem__(index)
        record, path = self._file.records[sample.id], self._images[sample.id]
        check_size(path, sample.image.shape, record.size, f"{self._file.path} says", "export the annotations again")
        return replace(sample, labels=WithDerived({}, INSTANCES, partial(_label, file=self._file, record=record)))


def _label(labels: Mapping[str, object], file: AnnotationFile, record: Record) -> Mapping[str, object]:
    return read_instances(file, record)


def _find(root: Path, split: str) -> tuple[Path, Path]:
    """The annotation file of a split, and the folder of its images; InputError where there is none."""
    lacking: list[Path] = []
    for path, base in _layouts(root, split):
        if path.is_file() and base.is_dir():
            return path, base
        lacking += [base] if path.is_file() else []
    if lacking:
        raise bad_file(root, f"has annotations but none of the folders {_names(root, lacking)}", _FIX)
    expected = _names(root, list(dict.fromkeys(path for path, _ in _layouts(root, split))))
    found = (path for path in sorted((root / "annotations").glob("instances_*.json")) if path.is_file())
    there = _names(root, list(found)) or "none"
    raise bad_file(root, f"has no annotations of the split {split}: {expected} (there: {there})", _FIX)


def _layouts(root: Path, split: str) -> Iterator[tuple[Path, Path]]:
    """Where the annotations and images of a split may be."""
    annotations = root / "annotations"
    yield annotations / f"instances_{split}{_YEAR}.json", root / f"{split}{_YEAR}"
    yield annotations / f"instances_{split}.json", root / split
    yield annotations / f"instances_{split}.json", root / "images"
    if split == "val":
        yield root / "annotations.json", root / "images"


def _names(root: Path, paths: list[Path]) -> str:
    return ", ".join(path.relative_to(root).as_posix() for path in paths[:4])
