"""Instance segmentation: the loss of mask codes, COCO AP of masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from robustbench_seg.lazy import lazy_module
from robustbench_seg.tasks.base import Floats, Labels, LossSettings, Metric, Outputs, RawLoss, Statistics, Values
from robustbench_seg.tasks.instances.task import InstancesTask, pooled

if TYPE_CHECKING:
    from torch import Tensor

    from robustbench_seg.tasks.instances import losses, matching, precision
    from robustbench_seg.tasks.instances.dense import DenseInstances
    from robustbench_seg.tasks.instances.truth import InstanceLabels
else:
    losses, matching, precision = (
        lazy_module(f"robustbench_seg.tasks.instances.{name}") for name in ("losses", "matching", "precision")
    )


class Instance(InstancesTask):
    """The masks of dense predictions (`DenseInstances`) against labelled instances (`InstanceLabels`)."""

    name = "instance"
    title = "instance segmentation"
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

    def training_losses(
        self, output: DenseInstances, label: InstanceLabels, settings: LossSettings
    ) -> Mapping[str, Tensor]:
        """The same over all locations of the batch."""
        return pooled({"mask": losses.Comparison(output, label).masks()})

    def statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> list[Statistics]:
        """Matches of masks, and the masks' runs (see `match`)."""
        found = zip(outputs[self.key].detections(), labels[self.key], strict=True)
        return [matching.match(detections, truth, num_classes, matching.masks) for detections, truth in found]

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """AP and AP50, each per class too."""
        return precision.precision_values(statistics, weights, scored)
