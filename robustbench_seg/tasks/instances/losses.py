"""The raw losses of an instance head, one number per image; what training pools and attacks ascend (UniNet 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.tasks.counting import sums
from robustbench_seg.tasks.instances.assign import assign
from robustbench_seg.tasks.instances.boxes import giou_loss, paired_iou
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.positives import Positives
from robustbench_seg.tasks.instances.truth import InstanceLabels

ALPHA, GAMMA = 0.75, 2.0
"""Varifocal loss (Zhang 2021)."""

Share = tuple[Tensor, Tensor]
"""Sums (N,) over an image's elements and their number or weight (N,)."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Dense predictions against labels: assigned once, for all the losses."""

    dense: DenseInstances
    truth: InstanceLabels

    @cached_property
    def positives(self) -> Positives:
        """Where there is something to predict."""
        return assign(self.dense.locations, self.truth)

    @cached_property
    def boxes(self) -> Tensor:
        """The boxes (P,4) predicted at the positives."""
        return self.dense.boxes[self.positives.image, self.positives.location]

    def classification(self) -> Share:
        """Varifocal loss: cross-entropy to the IoU at positives, focal at the rest; a share of the positives."""
        losses = self.varifocal().sum(2)
        return losses.sum(1), self._count()

    def varifocal(self) -> Tensor:
        """The loss of every location and class (N,L,C), 0 in ignored boxes."""
        logits, at = self.dense.classes, self.positives
        places, iou = (at.image, at.location, at.labels), paired_iou(self.boxes.detach(), at.boxes)
        quality = torch.zeros_like(logits).index_put_(places, iou.to(logits.dtype))
        positive = torch.zeros_like(logits, dtype=torch.bool).index_put_(places, torch.ones_like(iou, dtype=torch.bool))
        weight = torch.where(positive, quality, ALPHA * logits.sigmoid().pow(GAMMA))
        cost = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
        return (weight * cost).masked_fill(at.ignored[..., None], 0.0)

    def regression(self) -> Share:
        """GIoU loss weighted by centerness."""
        centerness = self.positives.centerness
        return self._summed(self.giou() * centerness), self._summed(centerness)

    def giou(self) -> Tensor:
        """The GIoU loss (P,) of every positive."""
        return giou_loss(self.boxes, self.positives.boxes)

    def centring(self) -> Share:
        """Binary cross-entropy of centerness."""
        predicted = self.dense.centerness[self.positives.image, self.positives.location]
        cost = F.binary_cross_entropy_with_logits(predicted, self.positives.centerness, reduction="none")
        return self._summed(cost), self._count()

    def masks(self) -> Share:
        """Mean squared error of mask codes (MEInst)."""
        at = self.positives
        assert self.dense.codes is not None
        assert self.dense.basis is not None
        target = torch.cat([self.dense.basis.encode(squares) for squares in self.truth.crops])[at.place]
        cost = (self.dense.codes[at.image, at.location] - target).square().mean(1)
        return self._summed(cost), self._count()

    def depth_errors(self) -> Tensor:
        """|predicted - median| (P,) in metres, NaN where the label has no depth."""
        at = self.positives
        assert self.dense.depth is not None
        error = (self.dense.depth[at.image, at.location] - at.depth).abs()
        return torch.where(at.depth > 0, error, torch.full_like(error, torch.nan))

    def depths(self) -> Share:
        """L1 of the instances' median depth in metres."""
        keep = self.positives.depth > 0
        error = torch.where(keep, self.depth_errors().nan_to_num(), torch.zeros_like(self.positives.depth))
        return self._summed(error), self._summed(keep.to(error.dtype))

    def _summed(self, values: Tensor) -> Tensor:
        """Sums (N,), one per image, of values (P,) at the positives."""
        return sums(values, self.positives.image, len(self.dense))

    def _count(self) -> Tensor:
        return self.positives.counts.to(self.dense.classes.dtype)


def class_losses(dense: DenseInstances, truth: InstanceLabels, num_classes: int) -> dict[str, Tensor]:
    """`cls` and `reg` (N,C,2): (sum, count) over the locations assigned to each class."""
    comparison = Comparison(dense, truth)
    at = comparison.positives
    varifocal = comparison.varifocal()[at.image, at.location].sum(1)
    return {
        "cls": _by_class(at, len(dense), num_classes, _counted(varifocal)),
        "reg": _by_class(at, len(dense), num_classes, _counted(comparison.giou())),
    }


def assigned_depth_errors(dense: DenseInstances, truth: InstanceLabels, num_classes: int) -> Tensor:
    """Sums (N,C+1,3) of |error| in metres, |error| / truth and 1 over positives; per class, the last for all."""
    comparison = Comparison(dense, truth)
    at, error = comparison.positives, comparison.depth_errors().double()
    columns = torch.stack([error, error / at.depth.double(), torch.ones_like(error)], 1)
    classes = _by_class(at, len(dense), num_classes, torch.where(error.isnan()[:, None], 0.0, columns))
    return torch.cat([classes, classes.sum(1, keepdim=True)], 1)


def _by_class(at: Positives, images: int, num_classes: int, columns: Tensor) -> Tensor:
    return sums(columns, at.image * num_classes + at.labels, images * num_classes).view(images, num_classes, -1)


def _counted(values: Tensor) -> Tensor:
    return torch.stack([values, torch.ones_like(values)], 1)
