"""Instance segmentation: the loss of mask codes, COCO AP of masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from robustbench_seg.tasks.base import Floats, Labels, Metric, Outputs, RawLoss, RawStatistics, Statistics, Values
from robustbench_seg.tasks.instances.parts import losses, matching, precision
from robustbench_seg.tasks.instances.task import InstancesTask


class Instance(InstancesTask):
    """The masks of dense predictions (`DenseInstances`) against labelled instances (`InstanceLabels`)."""

    name = "instance"
    title = "instance segmentation"
    group = "semantic"
    metrics = (
        Metric("ap", "AP", True, "", "COCO AP of masks, mean over IoU .50:.05:.95 and the classes in the labels"),
        Metric("ap50", "AP50", True, "", "COCO AP of masks at IoU .50, mean over the classes in the labels"),
    )
    curve = "ap"
    has_classes = True
    raw = (RawLoss("mask", "instance mask", "semantic"),)

    def shares(self, compared: losses.Comparison) -> dict[str, losses.Share]:
        """Of the squared error of mask codes (MEInst; UniNet 2021)."""
        return {"mask": compared.masks()}

    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """The candidates."""
        return {"candidates": outputs[self.key].candidates}

    def image_statistics(self, raw: RawStatistics, labels: Labels, num_classes: int) -> list[Statistics]:
        """Matches of masks, and the masks' runs (see `match`)."""
        pairs = zip(raw["candidates"].detections, labels[self.key].host, strict=True)
        return [matching.match(detections, known, num_classes, matching.masks) for detections, known in pairs]

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """AP and AP50, each per class too."""
        return precision.precision_values(statistics, weights, scored)
