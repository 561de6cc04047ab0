"""Instance segmentation: the loss of mask codes, COCO AP of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from robustbench_seg.lazy import lazy_module
from robustbench_seg.tasks.base import Floats, Labels, Metric, RawLoss, Statistics, Task, Values, stack
from robustbench_seg.tasks.detection import has_instance, no_distance

if TYPE_CHECKING:
    from torch import Tensor

    from robustbench_seg.tasks.instances import losses, matching, precision
    from robustbench_seg.tasks.instances.dense import DenseInstances
    from robustbench_seg.tasks.instances.truth import InstanceLabels
else:
    losses, matching, precision = (
        lazy_module(f"robustbench_seg.tasks.instances.{name}") for name in ("losses", "matching", "precision")
    )


class Instance(Task):
    """The masks of dense predictions (`DenseInstances`) against labelled instances (`InstanceLabels`)."""

    name = "instance"
    title = "instance segmentation"
    key = "instances"
    group = "semantic"
    resamples = 200
    metrics = (
        Metric("ap", "AP", True, "", "COCO AP of masks, mean over IoU .50:.05:.95 and the classes in the labels"),
        Metric("ap50", "AP50", True, "", "COCO AP of masks at IoU .50, mean over the classes in the labels"),
    )
    curve = "ap"
    has_classes = True
    raw = (RawLoss("mask", "instance mask", "semantic"),)

    def loss(self, output: DenseInstances, label: InstanceLabels) -> Tensor:
        """The squared error (N,) of mask codes (MEInst; UniNet 2021)."""
        return losses.mask_loss(output, label)

    def distance(self, output: DenseInstances, target: DenseInstances) -> Tensor:
        """None is defined: UsageError."""
        raise no_distance(self.name)

    def valid(self, label: InstanceLabels) -> Tensor:
        """Images with an instance that counts."""
        return has_instance(label)

    def statistics(self, output: DenseInstances, labels: Labels, num_classes: int) -> list[Statistics]:
        """Matches of masks, and the masks' runs (see `match`)."""
        found = zip(output.detections(), labels[self.key], strict=True)
        return [matching.match(detections, truth, num_classes, matching.masks) for detections, truth in found]

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """Classes with an instance that counts."""
        return np.asarray(stack(statistics, "truth").sum(0) > 0)

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """AP and AP50, each per class too."""
        return precision.precision_values(statistics, weights, scored)
