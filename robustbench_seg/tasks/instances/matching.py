"""Which detections of an image are right: COCO's matching (Lin 2014), at every IoU threshold at once.

Overlaps are pycocotools'; the matching is COCO's `evaluateImg` without its Python loops over thresholds and instances,
and the tests hold it to that one. An ignored instance is one outside COCO's area range: matched only where no other
is left, by one detection, at the usual IoU. A crowd is ignored too, and matched by all detections of which it covers
that share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.instances import rle
from robustbench_seg.tasks.instances.detections import Detections
from robustbench_seg.tasks.instances.truth import Instances

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

IOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
MAX_DETECTIONS = 100


@dataclass(frozen=True, eq=False)
class Overlap:
    """The IoU (D,K) of detections and instances, and the arrays that keep the detected regions in the store."""

    iou: Floats
    stored: dict[str, Floats]


Kind = Callable[[Detections, Instances], Overlap]
"""What IoU is of: `boxes` or `masks`."""


def boxes(detections: Detections, truth: Instances) -> Overlap:
    """IoU of boxes."""
    detected, known = detections.boxes.double().numpy(), truth.boxes.double().numpy()
    return Overlap(_iou(_xywh(detected), _xywh(known), truth.crowd, len(detected)), {})


def masks(detections: Detections, truth: Instances) -> Overlap:
    """IoU of masks; UsageError where the model predicts none."""
    if detections.masks is None:
        raise UsageError("instance: these detections have no masks; leave the task out with --tasks")
    detected, known = detections.masks.numpy(), truth.masks
    if len(detected) and len(known) and detected.shape[1:] != tuple(known.shape[1:]):
        raise UsageError(f"instance: masks of {detected.shape[1:]} pixels against labels of {tuple(known.shape[1:])}")
    size = detected.shape[1], detected.shape[2]
    lengths = rle.run_lengths(detected)
    iou = _iou(rle.encode(lengths, size), truth.encoded, truth.crowd, len(detected))
    return Overlap(iou, rle.to_store(lengths, size))


def match(detections: Detections, truth: Instances, num_classes: int, kind: Kind) -> dict[str, Floats]:
    """The sufficient statistics of one image for average precision, and what was found, for the store; on the host.

    `scores` (D,), `labels` (D,), `boxes` (D,4) xyxy px; `matched` and `ignored` (T,D), 1 where a detection has an
    instance, and where it is neither right nor wrong, at each of `IOU_THRESHOLDS`; `truth` (C,) the number of
    instances that count; and what `kind` stores. An instance of void class is ignored in every class.

    UsageError where detections do not come by falling score or are more than `MAX_DETECTIONS`.
    """
    scores = detections.scores.double().numpy()
    _check(scores)
    overlap = kind(detections, truth)
    labels, known = detections.labels.numpy(), truth.labels.numpy()
    void, crowd = truth.ignored.numpy(), truth.crowd.numpy()
    matched, ignored = np.zeros((2, len(IOU_THRESHOLDS), len(scores)), np.bool_)
    for label in np.unique(labels):
        rows, columns = np.flatnonzero(labels == label), np.flatnonzero((known == label) | (known == VOID))
        iou = overlap.iou[np.ix_(rows, columns)]
        matched[:, rows], ignored[:, rows] = _assign(iou, void[columns], crowd[columns])
    return {
        "scores": scores,
        "labels": labels.astype(np.float64),
        "boxes": detections.boxes.double().numpy(),
        "matched": matched.astype(np.float64),
        "ignored": ignored.astype(np.float64),
        "truth": np.bincount(known[~void], minlength=num_classes).astype(np.float64),
        **overlap.stored,
    }


def _assign(iou: Floats, ignored: Bools, crowd: Bools) -> tuple[Bools, Bools]:
    """Detections (D,) by falling score take instances (K,): (T,D) which got one, and which got an ignored one.

    A crowd can be taken again.
    """
    thresholds = IOU_THRESHOLDS[:, None]
    got, neither = np.zeros((2, len(IOU_THRESHOLDS), len(iou)), np.bool_)
    free = np.ones((len(IOU_THRESHOLDS), len(ignored)), np.bool_)
    # Instances that count come first, then the larger overlap, then the later instance (as COCO breaks ties).
    position = np.broadcast_to(np.arange(len(ignored)), iou.shape)
    liked = np.lexsort((position, iou, np.broadcast_to(~ignored, iou.shape)), axis=-1)[:, ::-1]
    for d in np.flatnonzero(iou.max(1, initial=0) >= IOU_THRESHOLDS[0]):
        possible = free[:, liked[d]] & (iou[d, liked[d]] >= thresholds)
        at = np.flatnonzero(possible.any(1))
        taken = liked[d, possible[at].argmax(1)]
        free[at, taken] = crowd[taken]
        got[at, d] = True
        neither[at, d] = ignored[taken]
    return got, neither


def _check(scores: Floats) -> None:
    if len(scores) > MAX_DETECTIONS:
        raise UsageError(f"detections: {len(scores)} in one image; keep the {MAX_DETECTIONS} of highest score")
    if not (scores[1:] <= scores[:-1]).all():
        raise UsageError("detections: scores do not fall (or are NaN); sort detections by falling score")


def _xywh(xyxy: Floats) -> Floats:
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1)


def _iou(detected: object, known: object, crowd: Tensor, rows: int) -> Floats:
    """IoU, or the share of the detection where the instance is a `crowd` (K,)."""
    # pycocotools answers nothing at all, of no shape, where either is empty.
    if not rows or not len(crowd):
        return np.zeros((rows, len(crowd)))
    return np.asarray(coco.iou(detected, known, crowd.tolist()), np.float64)
