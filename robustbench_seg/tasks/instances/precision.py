"""Average precision under many weightings of the images at once, from cached matches (COCO's `accumulate`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.tasks.base import Floats, Statistics, Values, class_mean, stack
from robustbench_seg.tasks.instances.matching import IOU_THRESHOLDS

Bools = npt.NDArray[np.bool_]

RECALLS: Floats = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class _Ranking:
    """The M detections of one class in all images by falling score.

    `times` (R,M) how often each is there, `right` and `ignored` (T,M); the others are wrong.
    """

    times: Floats
    right: Bools
    ignored: Bools


def average_precision(statistics: Sequence[Statistics], weights: Floats, scored: Bools) -> Floats:
    """AP (R,C,T) of each class at each IoU threshold, from `match` of n images and how often each counts (R,n).

    Precision is made non-increasing and averaged over 101 recalls; equal scores stay in the order of the images, and
    an image that counts k times equals k copies of it side by side. `weights` are whole numbers, `scored` (C,).
    NaN for a class that is not scored, or has no instance in the weighted images.
    """
    truth = weights @ stack(statistics, "truth")
    result = np.full((len(weights), len(scored), len(IOU_THRESHOLDS)), np.nan)
    labels = np.concatenate([image["labels"] for image in statistics])
    pool = _Pool.of(statistics)
    for label in np.flatnonzero(scored):
        known = truth[:, label] > 0
        ranking = pool.ranking(labels == label, weights[known])
        counted = np.cumsum(ranking.times, 1)
        for t, (right, ignored) in enumerate(zip(ranking.right, ranking.ignored, strict=True)):
            result[known, label, t] = _interpolated(ranking.times, counted, right, ignored, truth[known, label])
    return result


def precision_values(statistics: Sequence[Statistics], weights: Floats, scored: Bools) -> Values:
    """`ap` (mean over IoU .50:.05:.95) and `ap50`, per class and as the mean over the classes that have a value."""
    precision = average_precision(statistics, weights, scored)
    classes = {"ap": precision.mean(2), "ap50": precision[..., 0]}
    return Values({name: class_mean(values) for name, values in classes.items()}, classes)


@dataclass(frozen=True, eq=False)
class _Pool:
    """All detections of all images, image by image: `image` and `scores` (M,), `right` and `ignored` (T,M)."""

    image: npt.NDArray[np.intp]
    scores: Floats
    right: Bools
    ignored: Bools

    @classmethod
    def of(cls, statistics: Sequence[Statistics]) -> _Pool:
        matched, ignored = (
            np.concatenate([image[key] for image in statistics], 1) > 0 for key in ("matched", "ignored")
        )
        image = np.repeat(np.arange(len(statistics)), [len(image["scores"]) for image in statistics])
        scores = np.concatenate([image["scores"] for image in statistics])
        return cls(image, scores, matched & ~ignored, matched & ignored)

    def ranking(self, chosen: Bools, weights: Floats) -> _Ranking:
        """The chosen detections by falling score, equal scores in the order that copies of whole images have.

        Copies of one detection can be counted as one, unless its image has another of equal score: then the copies
        take turns (a b a b), one row each.
        """
        image, scores = self.image[chosen], self.scores[chosen]
        same = (np.diff(image) == 0) & (np.diff(scores) == 0)
        tied = np.r_[False, same] | np.r_[same, False] if len(image) else np.zeros(0, np.bool_)
        copies = np.where(tied, weights.max(0, initial=0)[image], 1).astype(np.intp)
        row = np.repeat(np.arange(len(image)), copies)
        copy = np.arange(len(row)) - np.repeat(np.cumsum(copies) - copies, copies)
        order = np.lexsort((row, copy, image[row], -scores[row]))
        row, copy = row[order], copy[order]
        drawn = weights[:, image[row]]
        times = np.where(tied[row], drawn > copy, drawn)
        return _Ranking(times, self.right[:, chosen][:, row], self.ignored[:, chosen][:, row])


def _interpolated(times: Floats, counted: Floats, right: Bools, ignored: Bools, truth: Floats) -> Floats:
    """AP (R,) of a ranking: `times` (R,M), their sums `counted`, `right` and `ignored` (M,), `truth` (R,) instances.

    Only where a detection is right does recall rise and can precision peak: the rest is not looked at.
    """
    hits, left_out = np.flatnonzero(right), np.flatnonzero(ignored)
    recalled = np.cumsum(times[:, hits], 1)
    judged = counted[:, hits]
    if len(left_out):
        skipped = np.concatenate([np.zeros((len(times), 1)), np.cumsum(times[:, left_out], 1)], 1)
        judged = judged - skipped[:, left_out.searchsorted(hits)]
    precision = recalled / (judged + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    # Recalls that are not reached have precision 0, in one more column.
    reached = np.concatenate([best, np.zeros((len(best), 1))], 1)
    return np.asarray(np.take_along_axis(reached, _places(recalled / truth[:, None]), 1).mean(1))


def _places(recalls: Floats) -> npt.NDArray[np.intp]:
    """Where each of the 101 recalls is first reached in rows (R,H) of rising ones: how many lie below it (R,101)."""
    rows, count = len(recalls), len(RECALLS) + 1
    passed = RECALLS.searchsorted(recalls, side="right") + count * np.arange(rows)[:, None]
    below = np.bincount(passed.ravel(), minlength=rows * count).reshape(rows, count)
    return np.cumsum(below, 1)[:, :-1]
