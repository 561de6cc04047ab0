"""Semantic segmentation: cross-entropy, confusion matrices, mIoU over the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VOID, Alignment, ClassSet
from robustbench_seg.errors import InputError
from robustbench_seg.lazy import F, Tensor, torch
from robustbench_seg.tasks.base import (
    ClassLogits,
    Floats,
    Labels,
    LossSettings,
    Metric,
    Outputs,
    Pixels,
    RawLoss,
    RawStatistics,
    Statistics,
    Values,
    class_mean,
    quotient,
    stack,
)
from robustbench_seg.tasks.counting import counts
from robustbench_seg.tasks.dense import DenseTask, self_information
from robustbench_seg.tasks.masked import masked_mean, selected
from robustbench_seg.tasks.rules import MapRule
from robustbench_seg.tasks.semantic_losses import LOSSES, is_right, unit_gap
from robustbench_seg.tasks.surveys import ClassSurvey

_POOLING = "one confusion matrix over the data set"
LEAST_MIOU = 0.1
"""Less than this is no segmentation, however many classes there are."""


@dataclass(frozen=True)
class PixelLogits(ClassLogits):
    """Every pixel of the segmentation under `key`; all count, whatever their confidence."""

    key: str

    def of(self, outputs: Outputs) -> Tensor:
        """(N,C,H,W)."""
        logits: Tensor = outputs[self.key]
        return logits

    def labels(self, outputs: Outputs, labels: Labels) -> Tensor:
        """(N,H,W)."""
        truth: Tensor = labels[self.key]
        return truth


class Semantic(DenseTask):
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
    planes = None
    label_rule = MapRule("int64", VOID)
    attack_losses = LOSSES
    raw = (RawLoss("seg", "segmentation", "semantic"),)

    @property
    def class_logits(self) -> PixelLogits:
        """Those of its pixels."""
        return PixelLogits(self.key)

    def class_fault(self, classes: ClassSet) -> str:
        """A single class: every pixel of it is predicted right, whatever is attacked."""
        if len(classes) > 1:
            return ""
        return (
            f"its only class is {', '.join(classes.names)}, so every prediction is right and mIoU always 1; name what "
            f'is not of it too, as in classes = ["background", "{classes.names[0]}"]'
        )

    def implausible(self, metric: str, value: float, num_classes: int) -> str:
        """An mIoU below a tenth, or below what one class everywhere gives at most."""
        one_class = 1 / num_classes if num_classes > 1 else 0.0
        reasons = (LEAST_MIOU, "the least expected"), (one_class, f"what one of {num_classes} classes everywhere gives")
        least, what = max(reasons)
        return f"below {least:.3f}, {what}" if metric == "miou" and value < least else ""

    def is_probability(self, output: Tensor) -> bool:
        """Whether values lie in [0, 1] and those of a pixel add up to no more than 1."""
        is_within = bool(((output >= 0) & (output <= 1)).all())
        return is_within and bool((output.sum(1) <= 1 + 1e-3).all()) and bool((output.amax(1) > 0).all())

    def output(self, value: object, shape: Sequence[int], alignment: Alignment | None) -> Tensor:
        """Logits at the images' size, of the alignment's classes.

        One channel for two classes is the logit of the second against the first, whose sigmoid is its probability.
        """
        logits = super().output(value, shape, alignment)
        if logits.shape[1] == 1 and alignment is not None and alignment.channels is not None:
            logits = _of_two(logits, alignment.channels)
        return merge_logits(logits, alignment)

    def prediction(self, output: Tensor) -> Tensor:
        """The most likely class (N,H,W)."""
        return output.argmax(1)

    def alike(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The same class."""
        return torch.eq

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """Unweighted cross-entropy, the mean over an image's labelled pixels."""
        return masked_mean(F.cross_entropy(output, label, ignore_index=VOID, reduction="none"), label != VOID)

    def performance(self, output: Tensor, label: Tensor) -> Tensor:
        """The share of an image's labelled pixels that are predicted right."""
        return masked_mean(is_right(output, label), label != VOID)

    def scale_free(self, clean: Tensor) -> Callable[[Tensor], Tensor]:
        """One factor per image."""
        factor = unit_gap(clean)
        return lambda logits: logits * factor

    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """The confusion matrix (C,C) of each image, rows are labels and columns predictions."""
        return {"confusion": confusion(outputs[self.key].argmax(1), labels[self.key], num_classes)}

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
        # A scored class that the weighted images happen to miss has no value there, not 0, whatever was predicted.
        labelled = summed.sum(2) > 0
        iou = np.where(labelled & scored, quotient(hits, union), np.nan)
        accuracy = quotient(hits.sum(1), summed.sum((1, 2)))
        return Values({"miou": class_mean(iou), "pixel_accuracy": accuracy}, {"miou": iou})

    def batch_labels(self, labels: Sequence[Any], alignment: Alignment | None) -> Tensor:
        """Class ids (N,H,W) in the alignment's classes."""
        stacked = np.stack([np.asarray(label) for label in labels])
        mapped = stacked if alignment is None else alignment.label_map[stacked]
        return torch.from_numpy(mapped.astype(np.int64))

    def training_losses(self, output: Tensor, label: Tensor, settings: LossSettings) -> Mapping[str, Tensor]:
        """The class-weighted cross-entropy over all labelled pixels of the batch."""
        return {"seg": weighted_cross_entropy(output, label, settings.class_weights)}

    def domain_maps(self, output: Tensor, source: Tensor) -> Tensor:
        """The self-information of every class."""
        return self_information(output.log_softmax(1))

    def survey(self, classes: ClassSet) -> ClassSurvey:
        """Pixels by class."""
        return ClassSurvey(classes.names)

    def draw_output(self, output: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """The most likely class in its colour."""
        return self.draw_label(output.argmax(1), i, image, classes)

    def draw_label(self, label: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """Classes in their colours; void is black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(classes)] = classes.palette
        return palette[label[i].cpu().numpy().astype(np.uint8)]


def _of_two(logit: Tensor, count: int) -> Tensor:
    """The logits (N,2,H,W) of two classes from that of the second (N,1,H,W); InputError where there are more."""
    if count != 2:
        raise InputError(
            f"a single channel for {count} classes; it is the logit of the second of two: give --classes with a file "
            'such as classes = ["background", "road"]'
        )
    return torch.cat([torch.zeros_like(logit), logit], 1)


def merge_logits(logits: Tensor, alignment: Alignment | None) -> Tensor:
    """The maximum over each class's member channels: (N,M,H,W) -> (N,C,H,W)."""
    if alignment is None or alignment.keeps(logits.shape[1]):
        return logits
    merged = [logits[:, list(members)].amax(1) for members in alignment.logit_members]
    return torch.stack(merged, 1)


def weighted_cross_entropy(logits: Tensor, label: Tensor, weights: Tensor | None) -> Tensor:
    """Class-weighted cross-entropy over labelled pixels, the weights' mean divided out; 0 where all is void."""
    summed = F.cross_entropy(logits, label, weights, ignore_index=VOID, reduction="sum")
    known = label != VOID
    total = known.sum() if weights is None else selected(weights[torch.where(known, label, 0)], known, 0.0).sum()
    return summed / total.clamp(min=1e-6)


def class_weights(labels: Iterable[Tensor], num_classes: int) -> Tensor:
    """1 / ln(1.02 + share) of each class's share of the labelled pixels (ENet 2016); (C,)."""
    totals = torch.zeros(num_classes)
    for label in labels:
        totals += counts(label[None].long(), VOID + 1)[0, :num_classes]
    return 1 / torch.log(1.02 + totals / totals.sum().clamp(min=1))


def confusion(prediction: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Per-image confusion matrices (N,C,C) int64 of (N,H,W) predictions and labels; void is left out."""
    # Void pixels are counted beside the matrix.
    index = torch.where(label == VOID, num_classes**2, label * num_classes + prediction)
    return counts(index, num_classes**2 + 1)[:, :-1].reshape(-1, num_classes, num_classes)
