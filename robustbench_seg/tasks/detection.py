"""Object detection: varifocal, GIoU and centerness losses, COCO AP of boxes, losses and box shapes per class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VOID
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import (
    ClassLogits,
    Floats,
    Labels,
    Metric,
    Outputs,
    RawLoss,
    RawStatistics,
    Statistics,
    Values,
    stack,
)
from robustbench_seg.tasks.instances.parts import assign, losses, matching, precision, truth
from robustbench_seg.tasks.instances.task import SHOWN_SCORE, InstancesTask, pooled_mean

_LOSS_POOLING = "mean over the locations assigned to a class, all images together"


class LocationLogits(ClassLogits):
    """Every location of a detector; the label is the class of the instance it is assigned to."""

    def of(self, outputs: Outputs) -> Tensor:
        """(N,C,L)."""
        logits: Tensor = outputs[Detection.key].classes
        return logits.transpose(1, 2)

    def labels(self, outputs: Outputs, labels: Labels) -> Tensor:
        """(N,L)."""
        dense = outputs[Detection.key]
        at = assign.assign(dense.locations, labels[Detection.key])
        classes = torch.full_like(dense.centerness, VOID, dtype=torch.int64)
        classes[at.image, at.location] = at.labels
        return classes

    def above(self, logits: Tensor, floor: float) -> Tensor:
        """Where the most likely class has at least that probability."""
        return logits.amax(1).sigmoid() >= floor


class Detection(InstancesTask):
    """Dense predictions (`DenseInstances`) against labelled instances (`InstanceLabels`).

    Losses per class and the shape of predicted boxes show what a swap of two classes does to a detector (UniNet 2021,
    Fig. 5): persons are narrower than high, cars wider.
    """

    name = "detection"
    title = "object detection"
    group = "semantic"
    metrics = (
        Metric("ap", "AP", True, "", "COCO AP of boxes, mean over IoU .50:.05:.95 and the classes in the labels"),
        Metric("ap50", "AP50", True, "", "COCO AP of boxes at IoU .50, mean over the classes in the labels"),
        Metric("cls_loss", "classification loss", False, "", _LOSS_POOLING),
        Metric("reg_loss", "regression loss", False, "", _LOSS_POOLING),
        Metric("aspect_ratio", "width / height", None, "", f"mean over predicted boxes of score >= {SHOWN_SCORE}"),
    )
    curve = "ap"
    has_classes = True
    raw = (
        RawLoss("cls", "box classification", "semantic"),
        RawLoss("reg", "box regression", "semantic"),
        RawLoss("centerness", "box centerness", None),
    )

    @property
    def class_logits(self) -> LocationLogits:
        """Those of its locations."""
        return LocationLogits()

    def shares(self, compared: losses.Comparison) -> dict[str, losses.Share]:
        """Of classification, regression and centerness."""
        return {"cls": compared.classification(), "reg": compared.regression(), "centerness": compared.centring()}

    def valid(self, label: truth.InstanceLabels) -> Tensor:
        """All images: that there is nothing to find is a label too, and what is found there is wrong."""
        return torch.ones(len(label), dtype=torch.bool, device=label[0].labels.device)

    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """The candidates, and `cls` and `reg` (C,2), sums and counts of the losses of each class."""
        dense = outputs[self.key]
        return {"candidates": dense.candidates, **losses.class_losses(dense, labels[self.key], num_classes)}

    def image_statistics(self, raw: RawStatistics, labels: Labels, num_classes: int) -> list[Statistics]:
        """Matches of boxes (see `match`), and the losses of each class."""
        by_class = {name: raw[name].double().numpy() for name in ("cls", "reg")}
        pairs = zip(raw["candidates"].detections, labels[self.key].host, strict=True)
        return [
            matching.match(detections, known, num_classes, matching.boxes)
            | {name: value[i] for name, value in by_class.items()}
            for i, (detections, known) in enumerate(pairs)
        ]

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """AP, AP50, losses and shapes, each per class too."""
        precisions = precision.precision_values(statistics, weights, scored)
        sums = {
            "cls_loss": stack(statistics, "cls"),
            "reg_loss": stack(statistics, "reg"),
            "aspect_ratio": np.stack([_shapes(image) for image in statistics]),
        }
        hidden = np.where(scored, 0.0, np.nan)
        return Values(
            {**precisions.overall, **{name: pooled_mean(table.sum(1), weights) for name, table in sums.items()}},
            {**precisions.classes, **{name: pooled_mean(table, weights) + hidden for name, table in sums.items()}},
        )


def _shapes(image: Statistics) -> Floats:
    """Sums of width / height and numbers of boxes (C,2) of one image; boxes without an area have no shape."""
    width, height = (image["boxes"][:, 2:] - image["boxes"][:, :2]).T
    shown = (image["scores"] >= SHOWN_SCORE) & (width > 0) & (height > 0)
    sums = np.zeros((len(image["truth"]), 2))
    columns = np.stack([width[shown] / height[shown], np.ones(shown.sum())], 1)
    np.add.at(sums, image["labels"][shown].astype(np.intp), columns)
    return sums
