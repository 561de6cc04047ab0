"""Depth of instances: one number each, against the median depth of the pixels that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from robustbench_seg.lazy import lazy_module
from robustbench_seg.tasks.base import Floats, Labels, LossSettings, Metric, Outputs, Statistics, Values, stack
from robustbench_seg.tasks.instances.task import InstancesTask, pooled, pooled_mean

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from robustbench_seg.tasks.instances import losses
    from robustbench_seg.tasks.instances.dense import DenseInstances
    from robustbench_seg.tasks.instances.truth import InstanceLabels
else:
    torch = lazy_module("torch")
    losses = lazy_module("robustbench_seg.tasks.instances.losses")

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

    def loss(self, output: DenseInstances, label: InstanceLabels) -> Tensor:
        """The mean absolute error (N,) in metres (UniNet 2021)."""
        return losses.instance_depth_loss(output, label)

    def training_losses(
        self, output: DenseInstances, label: InstanceLabels, settings: LossSettings
    ) -> Mapping[str, Tensor]:
        """The same over all locations of the batch."""
        return pooled({"instance_depth": losses.Comparison(output, label).depths()})

    def valid(self, label: InstanceLabels) -> Tensor:
        """Images with an instance that counts and whose depth is known."""
        return torch.stack([(~image.ignored & (image.depth > 0)).any() for image in label])

    def statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> list[Statistics]:
        """`errors` (C+1,3): sums of metres, of metres over truth, and counts; one row per class, the last for all."""
        errors = losses.assigned_depth_errors(outputs[self.key], labels[self.key], num_classes)
        truth = [np.bincount(image.labels[~image.ignored].cpu(), minlength=num_classes) for image in labels[self.key]]
        return [
            {"errors": table, "truth": known.astype(np.float64)}
            for table, known in zip(errors.detach().cpu().double().numpy(), truth, strict=True)
        ]

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """Both errors, each per class too."""
        errors = stack(statistics, "errors")
        tables = {"l1": pooled_mean(errors[..., [0, 2]], weights), "abs_rel": pooled_mean(errors[..., [1, 2]], weights)}
        hidden = np.where(scored, 0.0, np.nan)
        return Values(
            {name: table[:, -1] for name, table in tables.items()},
            {name: table[:, :-1] + hidden for name, table in tables.items()},
        )
