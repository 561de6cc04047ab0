"""COCO's annotation file: its images, categories and, by image, its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.classfile import ClassesTable
from robustbench_seg.data.images import MAX_PIXELS, bad_file, read_json
from robustbench_seg.strict import Range, known_part

T = TypeVar("T")

FIX = "export the annotations again, or correct it"


@dataclass(frozen=True)
class ImageEntry:
    """An entry of `images`; `width` and `height` are in pixels."""

    id: int | str
    file_name: str
    width: Annotated[int, Range(1, MAX_PIXELS)]
    height: Annotated[int, Range(1, MAX_PIXELS)]


@dataclass(frozen=True)
class Category:
    """An entry of `categories`."""

    id: int
    name: str


@dataclass(frozen=True)
class Runs:
    """A mask as run lengths, in a list or as COCO's compressed string; `size` is (H,W)."""

    size: tuple[int, int]
    counts: tuple[int, ...] | str


@dataclass(frozen=True)
class Annotation:
    """An entry of `annotations`: `bbox` is (left, top, width, height) px, `segmentation` polygons (x, y, x, y, ...)."""

    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: Literal[0, 1] = 0
    segmentation: tuple[tuple[float, ...], ...] | Runs = ()


_READ = ("id", *(field.name for field in fields(Annotation)))


@dataclass(frozen=True)
class Record:
    """An image of the file: its size (H,W), and what is read of its entries of `annotations`, as it is written."""

    size: tuple[int, int]
    annotations: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class AnnotationFile:
    """What a file holds: `records` by the name of the image, and which class (`index`) a category's id is."""

    path: Path
    classes: ClassSet
    index: Mapping[int, int]
    records: Mapping[str, Record]

    @classmethod
    def read(cls, path: Path) -> AnnotationFile:
        """Reads the file; InputError where it is no such file, or an entry of one list has no partner in another."""
        table = read_json(path, FIX)
        images = _entries(ImageEntry, path, table, "images")
        categories = sorted(_entries(Category, path, table, "categories"), key=lambda category: category.id)
        names = tuple(category.name for category in categories)
        records = _records(path, images)
        index = _unique(path, "categories", [category.id for category in categories])
        by_id = {image.id: records[image.file_name] for image in images}
        for number, annotation in enumerate(_list(path, table, "annotations")):
            _file_away(f"annotations[{number}]", path, annotation, by_id)
        return cls(path, ClassesTable(classes=names).class_set(path, "coco"), index, records)

    @cached_property
    def has_masks(self) -> bool:
        """Whether any annotation has a mask."""
        annotations = (annotation for record in self.records.values() for annotation in record.annotations)
        return any(annotation.get("segmentation") for annotation in annotations)


def _entries(cls: type[T], path: Path, table: object, key: str) -> list[T]:
    entries = enumerate(_list(path, table, key))
    return [known_part(cls, entry, f"{path}: {key}[{number}]") for number, entry in entries]


def _list(path: Path, table: object, key: str) -> list[Any]:
    found = table.get(key) if isinstance(table, Mapping) else None
    if not isinstance(found, list):
        raise bad_file(path, f"has no list '{key}', so it is no annotation file of COCO", FIX)
    if not found and key != "annotations":
        raise bad_file(path, f"has an empty list '{key}'", FIX)
    return found


def _records(path: Path, images: list[ImageEntry]) -> dict[str, Record]:
    _unique(path, "images", [image.id for image in images])
    _unique(path, "images", [image.file_name for image in images])
    for image in images:
        name = PurePosixPath(image.file_name)
        if not name.parts or name.is_absolute() or ".." in name.parts or not image.file_name.isprintable():
            raise bad_file(path, f"names an image {image.file_name[:80]!r}", "give names inside of the image folder")
    return {image.file_name: Record((image.height, image.width)) for image in images}


def _unique(path: Path, key: str, values: list[Any]) -> dict[Any, int]:
    """The place of each value in a list; InputError where one is there twice."""
    places = {value: place for place, value in enumerate(values)}
    if len(places) < len(values):
        twice = next(value for place, value in enumerate(values) if places[value] != place)
        raise bad_file(path, f"has {str(twice)[:80]!r} twice in '{key}'", FIX)
    return places


def _file_away(where: str, path: Path, annotation: object, records: Mapping[int | str, Record]) -> None:
    """Puts an annotation with its image."""
    if not isinstance(annotation, Mapping):
        raise bad_file(path, f"{where} is no table", FIX)
    image = annotation.get("image_id")
    if not isinstance(image, int | str) or image not in records:
        raise bad_file(path, f"{where} is of the image_id {repr(image)[:80]}, which no image has", FIX)
    records[image].annotations.append({key: annotation[key] for key in _READ if key in annotation})
