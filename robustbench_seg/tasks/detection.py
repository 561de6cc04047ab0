"""Object detection: varifocal, GIoU and centerness losses, COCO AP of boxes, losses and box shapes per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import lazy_module
from robustbench_seg.tasks.base import Floats, Labels, Metric, RawLoss, Statistics, Task, Values, stack

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from robustbench_seg.tasks.instances import losses, matching, precision
    from robustbench_seg.tasks.instances.dense import DenseInstances
    from robustbench_seg.tasks.instances.truth import InstanceLabels
else:
    torch = lazy_module("torch")
    losses, matching, precision = (
        lazy_module(f"robustbench_seg.tasks.instances.{name}") for name in ("losses", "matching", "precision")
    )

SHAPE_SCORE = 0.3
"""Boxes of at least this score count for `aspect_ratio`: those that a picture of the detections would show."""
_LOSS_POOLING = "mean over the locations assigned to a class, all images together"


class Detection(Task):
    """Dense predictions (`DenseInstances`) against labelled instances (`InstanceLabels`).

    Losses per class and the shape of predicted boxes show what a swap of two classes does to a detector (UniNet 2021,
    Fig. 5): persons are narrower than high, cars wider.
    """

    name = "detection"
    title = "object detection"
    key = "instances"
    group = "semantic"
    resamples = 200
    metrics = (
        Metric("ap", "AP", True, "", "COCO AP of boxes, mean over IoU .50:.05:.95 and the classes in the labels"),
        Metric("ap50", "AP50", True, "", "COCO AP of boxes at IoU .50, mean over the classes in the labels"),
        Metric("cls_loss", "classification loss", False, "", _LOSS_POOLING),
        Metric("reg_loss", "regression loss", False, "", _LOSS_POOLING),
        Metric(
            "aspect_ratio",
            "width / height",
            None,
            "",
            f"mean width / height of predicted boxes of score >= {SHAPE_SCORE}",
        ),
    )
    curve = "ap"
    has_classes = True
    raw = (
        RawLoss("cls", "box classification", "semantic"),
        RawLoss("reg", "box regression", "semantic"),
        RawLoss("centerness", "box centerness", None),
    )

    def loss(self, output: DenseInstances, label: InstanceLabels) -> Tensor:
        """The sum of the raw losses (N,)."""
        return torch.stack(list(self.losses(output, label).values())).sum(0)

    def losses(self, output: DenseInstances, label: InstanceLabels) -> dict[str, Tensor]:
        """`cls`, `reg` and `centerness`, each (N,)."""
        return losses.detection_losses(output, label)

    def distance(self, output: DenseInstances, target: DenseInstances) -> Tensor:
        """None is defined: UsageError."""
        raise no_distance(self.name)

    def valid(self, label: InstanceLabels) -> Tensor:
        """All images: that there is nothing to find is a label too, and what is found there is wrong."""
        return torch.ones(len(label), dtype=torch.bool, device=label[0].labels.device)

    def statistics(self, output: DenseInstances, labels: Labels, num_classes: int) -> list[Statistics]:
        """Matches of boxes (see `match`), and `cls` and `reg` (C,2), sums and counts of the losses of each class."""
        truth: InstanceLabels = labels[self.key]
        by_class = {
            name: value.detach().cpu() for name, value in losses.class_losses(output, truth, num_classes).items()
        }
        return [
            matching.match(detections, truth[i], num_classes, matching.boxes)
            | {name: value[i].double().numpy() for name, value in by_class.items()}
            for i, detections in enumerate(output.detections())
        ]

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """Classes with an instance that counts."""
        return np.asarray(stack(statistics, "truth").sum(0) > 0)

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """AP, AP50, losses and shapes, each per class too."""
        found = precision.precision_values(statistics, weights, scored)
        sums = {
            "cls_loss": stack(statistics, "cls"),
            "reg_loss": stack(statistics, "reg"),
            "aspect_ratio": np.stack([_shapes(image) for image in statistics]),
        }
        hidden = np.where(scored, 0.0, np.nan)
        return Values(
            {**found.overall, **{name: pooled_mean(table.sum(1), weights) for name, table in sums.items()}},
            {**found.classes, **{name: pooled_mean(table, weights) + hidden for name, table in sums.items()}},
        )


def has_instance(label: InstanceLabels) -> Tensor:
    """Which images (N,) have an instance that counts."""
    return torch.stack([(~image.ignored).any() for image in label])


def no_distance(task: str) -> UsageError:
    """The error of a task whose outputs are sets of instances: there is no loss from one to another."""
    return UsageError(f"{task}: no loss to another output is defined; hide a class at semantic or depth instead")


def pooled_mean(table: Floats, weights: Floats) -> Floats:
    """Sums over counts, all images together: `table` (n,...,columns) whose last column counts, `weights` (R,n).

    The result is (R,...) of the first column; NaN where nothing is counted.
    """
    total = np.tensordot(weights, table, 1)
    summed, count = total[..., 0], total[..., -1]
    return np.divide(summed, count, out=np.full_like(summed, np.nan), where=count > 0)


def _shapes(image: Statistics) -> Floats:
    """Sums of width / height and numbers of boxes (C,2) of one image; boxes without an area have no shape."""
    width, height = (image["boxes"][:, 2:] - image["boxes"][:, :2]).T
    shown = (image["scores"] >= SHAPE_SCORE) & (width > 0) & (height > 0)
    sums = np.zeros((len(image["truth"]), 2))
    columns = np.stack([width[shown] / height[shown], np.ones(shown.sum())], 1)
    np.add.at(sums, image["labels"][shown].astype(np.intp), columns)
    return sums
