"""Depth of instances: one number each, against the median depth of the pixels that show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import (
    Floats,
    Labels,
    Metric,
    Outputs,
    RawStatistics,
    Statistics,
    Values,
    by_row,
    stack,
)
from robustbench_seg.tasks.instances.parts import losses, positives, truth
from robustbench_seg.tasks.instances.task import InstancesTask, pooled_mean

_POOLING = "mean over the locations assigned to an instance, all images together"


class InstanceDepth(InstancesTask):
    """Depth in metres at the locations of `DenseInstances` against the instances' median depth.

    Locations are those that the labels assign, so the number says how far away things seem, found or not.
    """

    name = "instance_depth"
    title = "instance depth"
    group = "geometric"
    metrics = (Metric("l1", "L1 error", False, "m", _POOLING), Metric("abs_rel", "AbsRel", False, "", _POOLING))
    curve = "l1"

    @property
    def class_curve(self) -> str:
        """The relative error: classes differ in how far away they are."""
        return "abs_rel"

    def shares(self, compared: losses.Comparison) -> dict[str, losses.Share]:
        """Of the absolute error in metres (UniNet 2021)."""
        return {self.name: compared.depths()}

    def valid(self, label: truth.InstanceLabels) -> Tensor:
        """Images with an instance that counts and whose depth is known."""
        return torch.stack([(~image.ignored & (image.depth > 0)).any() for image in label])

    def taught(self, found: positives.Positives) -> bool:
        """Whether one has a depth."""
        return found.has_depth

    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """`errors` (C+1,3): sums of metres, of metres over truth, and counts; one row per class, the last for all."""
        return {"errors": losses.assigned_depth_errors(outputs[self.key], labels[self.key], num_classes)}

    def image_statistics(self, raw: RawStatistics, labels: Labels, num_classes: int) -> list[Statistics]:
        """These, and `truth` (C,), the number of instances that count."""
        images = super().image_statistics(raw, labels, num_classes)
        counts = (np.bincount(known.labels[~known.ignored], minlength=num_classes) for known in labels[self.key].host)
        return [{**image, "truth": count.astype(np.float64)} for image, count in zip(images, counts, strict=True)]

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """Both errors, each per class too."""
        errors = stack(statistics, "errors")
        return by_row(
            {"l1": pooled_mean(errors[..., [0, 2]], weights), "abs_rel": pooled_mean(errors[..., [1, 2]], weights)},
            scored,
        )
