"""Semantic segmentation: cross-entropy, confusion matrices, mIoU over the data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VOID
from robustbench_seg.lazy import lazy_module
from robustbench_seg.tasks.base import Floats, Labels, Metric, RawLoss, Statistics, Task, Values, masked_mean, stack

if TYPE_CHECKING:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
else:
    torch, F = lazy_module("torch"), lazy_module("torch.nn.functional")

_POOLING = "one confusion matrix over the data set"
LEAST_MIOU = 0.1
"""Less than this, or than twice chance, is no segmentation."""


class Semantic(Task):
    """Logits (N,C,H,W) against labels (N,H,W) int64 with void 255.

    mIoU is computed from one confusion matrix over the data set (sums of the per-image ones) and averaged over
    the classes that occur in the labels.
    """

    name = "semantic"
    title = "semantic segmentation"
    key = "semantic"
    group = "semantic"
    metrics = (
        Metric("miou", "mIoU", True, "", f"{_POOLING}, mean over the classes in its labels", "IoU"),
        Metric("pixel_accuracy", "pixel accuracy", True, "", "share of all labelled pixels"),
    )
    curve = "miou"
    has_classes = True
    raw = (RawLoss("seg", "segmentation", "semantic"),)

    def implausible(self, metric: str, value: float, num_classes: int) -> str:
        """An mIoU below a tenth or below twice chance."""
        chance = 1 / num_classes if num_classes else 0.0
        least, what = max((LEAST_MIOU, "the least expected"), (2 * chance, f"twice chance with {num_classes} classes"))
        return f"below {least:.3f}, {what}" if metric == "miou" and value < least else ""

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """Unweighted cross-entropy, the mean over an image's labelled pixels."""
        return masked_mean(F.cross_entropy(output, label, ignore_index=VOID, reduction="none"), label != VOID)

    def valid(self, label: Tensor) -> Tensor:
        """Images with at least one labelled pixel."""
        return (label != VOID).flatten(1).any(1)

    def statistics(self, output: Tensor, labels: Labels, num_classes: int) -> list[Statistics]:
        """The confusion matrix (C,C) of each image, rows are labels and columns predictions."""
        matrices = confusion(output.argmax(1), labels[self.key], num_classes)
        return [{"confusion": matrix.cpu().double().numpy()} for matrix in matrices]

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """Classes with a labelled pixel."""
        return np.asarray(stack(statistics, "confusion").sum((0, 2)) > 0)

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """MIoU and pixel accuracy; per class the IoU."""
        matrices = stack(statistics, "confusion")
        count = matrices.shape[-1]
        summed = (weights @ matrices.reshape(len(matrices), -1)).reshape(-1, count, count)
        hits = np.diagonal(summed, axis1=1, axis2=2)
        union = summed.sum(1) + summed.sum(2) - hits
        # A scored class that a resample happens to miss has no value there, not 0, whatever was predicted.
        labelled = summed.sum(2) > 0
        iou = np.divide(hits, union, out=np.full_like(union, np.nan), where=labelled & scored)
        has = ~np.isnan(iou)
        total = has.sum(1)
        miou = np.divide(np.where(has, iou, 0).sum(1), total, out=np.full(len(iou), np.nan), where=total > 0)
        pixels = summed.sum((1, 2))
        accuracy = np.divide(hits.sum(1), pixels, out=np.full(len(iou), np.nan), where=pixels > 0)
        return Values({"miou": miou, "pixel_accuracy": accuracy}, {"miou": iou})


def confusion(prediction: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Per-image confusion matrices (N,C,C) int64 of (N,H,W) predictions and labels; void is left out."""
    images = torch.arange(len(label), device=label.device).view(-1, 1, 1)
    index = (images * num_classes + label) * num_classes + prediction
    counts = torch.bincount(index[label != VOID], minlength=len(label) * num_classes**2)
    return counts.view(len(label), num_classes, num_classes)
