"""The annotations of an image as instances: boxes, and masks of polygons and of runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from robustbench_seg.data.base import Array
from robustbench_seg.data.coco.annotations import FIX, Annotation, AnnotationFile, Record, Runs
from robustbench_seg.data.instances import Masks, check_count, instances_label
from robustbench_seg.strict import fault, known_part
from robustbench_seg.tasks.instances import rle

Size = tuple[int, int]


def read_instances(file: AnnotationFile, record: Record) -> dict[str, Array]:
    """The instances of an image as `Sample` has them; InputError naming the annotation that is wrong."""
    check_count(file.path, len(record.annotations), record.size)
    masks = np.zeros((len(record.annotations), *record.size), np.bool_)
    found = [_read(file, record, raw, mask) for raw, mask in zip(record.annotations, masks, strict=True)]
    return instances_label(
        masks,
        [file.index[annotation.category_id] for annotation, _ in found],
        [annotation.iscrowd == 1 for annotation, _ in found],
        boxes=np.array([box for _, box in found], np.float32),
    )


def _read(file: AnnotationFile, record: Record, raw: Mapping[str, object], mask: Masks) -> tuple[Annotation, Array]:
    """An annotation and its box; `mask` is filled in."""
    where = f"{file.path}: annotation {str(raw.get('id'))[:20]}"
    annotation = known_part(Annotation, raw, where)
    if annotation.category_id not in file.index:
        raise fault(where, f"is of category_id {annotation.category_id}, which no category has; {FIX}")
    try:
        box = _box(annotation, record.size)
        mask[:] = _mask(annotation, box, record.size, has_masks=file.has_masks)
    except ValueError as error:
        raise fault(where, f"{error}; {FIX}") from None
    return annotation, box


def _box(annotation: Annotation, size: Size) -> npt.NDArray[np.float64]:
    """The box xyxy px inside of the image."""
    left, top, width, height = annotation.bbox
    corners = np.array([[left, top], [left + width, top + height]])
    if not np.isfinite(corners).all() or width < 0 or height < 0:
        raise ValueError(f"bbox {list(annotation.bbox)} is no box of finite sides from 0")
    limits = np.array(size[::-1])
    if (corners[0] >= limits).any() or (corners[1] < 0).any():
        raise ValueError(f"bbox {list(annotation.bbox)} lies outside of the image of {size[1]}x{size[0]}")
    return corners.clip(0, limits).ravel()


def _mask(annotation: Annotation, box: Array, size: Size, *, has_masks: bool) -> Masks:
    if not has_masks:
        return _filled(box, size)
    if isinstance(annotation.segmentation, Runs):
        return _of_runs(annotation.segmentation, size)
    return _of_polygons(annotation.segmentation, size)


def _filled(box: Array, size: Size) -> Masks:
    """The pixels whose centres lie in a box."""
    y, x = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    inside: Masks = ((y > box[1]) & (y < box[3]))[:, None] & ((x > box[0]) & (x < box[2]))
    return inside


def _of_runs(runs: Runs, size: Size) -> Masks:
    if runs.size != size:
        raise ValueError(f"segmentation is of the size (H,W) {list(runs.size)}, the image is {list(size)}")
    counts = rle.from_text(runs.counts) if isinstance(runs.counts, str) else runs.counts
    return rle.to_mask(counts, size)


def _of_polygons(polygons: tuple[tuple[float, ...], ...], size: Size) -> Masks:
    """The pixels inside of any polygon, as pycocotools rasterises them."""
    if not polygons:
        raise ValueError("has no segmentation, as other annotations have")
    limits = np.array(size[::-1])
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"segmentation has a polygon of {len(polygon)} numbers, not x and y of 3 points or more")
        points = np.reshape(polygon, (-1, 2))
        # pycocotools walks along outlines pixel by pixel, whatever their length.
        if not ((points >= -limits) & (points <= 2 * limits)).all():
            raise ValueError(f"segmentation has points far outside of the image of {size[1]}x{size[0]}")
    merged = coco.merge(coco.frPyObjects(list(map(list, polygons)), *size))
    return rle.to_mask(rle.from_text(merged["counts"].decode()), size)
