"""The raw losses of an instance head, one number per image; what training pools and attacks ascend (UniNet 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from robustbench_seg.tasks.instances.assign import Positives, assign
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.masks import crops
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

    @cached_property
    def centerness(self) -> Tensor:
        """How central (P,) each positive lies in its box: sqrt of the product of the sides' ratios (FCOS, eq. 3)."""
        points = self.dense.locations.points[self.positives.location]
        low, high = points - self.positives.boxes[:, :2], self.positives.boxes[:, 2:] - points
        ratios = torch.minimum(low, high) / torch.maximum(low, high).clamp(min=1e-6)
        return ratios.clamp(min=0).prod(1).sqrt()

    def classification(self) -> Share:
        """Varifocal loss: cross-entropy to the IoU at positives, focal at the rest; a share of the positives."""
        losses = self.varifocal().sum(2)
        return losses.sum(1), self._count()

    def varifocal(self) -> Tensor:
        """The loss of every location and class (N,L,C), 0 in ignored boxes."""
        logits, at = self.dense.classes, self.positives
        quality = torch.zeros_like(logits)
        quality[at.image, at.location, at.labels] = _paired_iou(self.boxes.detach(), at.boxes).to(logits.dtype)
        positive = torch.zeros_like(logits, dtype=torch.bool)
        positive[at.image, at.location, at.labels] = True
        weight = torch.where(positive, quality, ALPHA * logits.sigmoid().pow(GAMMA))
        cost = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
        return (weight * cost).masked_fill(at.ignored[..., None], 0.0)

    def regression(self) -> Share:
        """GIoU loss weighted by centerness."""
        return self._summed(self.giou() * self.centerness), self._summed(self.centerness)

    def giou(self) -> Tensor:
        """The GIoU loss (P,) of every positive."""
        loss: Tensor = generalized_box_iou_loss(self.boxes, self.positives.boxes)
        return loss

    def centring(self) -> Share:
        """Binary cross-entropy of centerness."""
        predicted = self.dense.centerness[self.positives.image, self.positives.location]
        cost = F.binary_cross_entropy_with_logits(predicted, self.centerness, reduction="none")
        return self._summed(cost), self._count()

    def masks(self) -> Share:
        """Mean squared error of mask codes (MEInst)."""
        at = self.positives
        assert self.dense.codes is not None
        assert self.dense.basis is not None
        codes = [self.dense.basis.encode(crops(image.masks, image.boxes)) for image in self.truth]
        offsets = torch.tensor([0, *map(len, codes)], device=at.image.device).cumsum(0)[:-1]
        target = torch.cat(codes)[offsets[at.image] + at.instance]
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
        return values.new_zeros(len(self.dense)).index_add(0, self.positives.image, values)

    def _count(self) -> Tensor:
        return torch.bincount(self.positives.image, minlength=len(self.dense)).to(self.dense.classes.dtype)


def class_losses(dense: DenseInstances, truth: InstanceLabels, num_classes: int) -> dict[str, Tensor]:
    """`cls` and `reg` (N,C,2): (sum, count) over the locations assigned to each class."""
    comparison = Comparison(dense, truth)
    at = comparison.positives
    varifocal = comparison.varifocal()[at.image, at.location].sum(1)
    return {
        "cls": _by_class(at, len(dense), num_classes, varifocal),
        "reg": _by_class(at, len(dense), num_classes, comparison.giou()),
    }


def assigned_depth_errors(dense: DenseInstances, truth: InstanceLabels, num_classes: int) -> Tensor:
    """Sums (N,C+1,3) of |error| in metres, |error| / truth and 1 over positives; per class, the last for all."""
    comparison = Comparison(dense, truth)
    at, error = comparison.positives, comparison.depth_errors().double()
    keep = ~error.isnan()
    columns = torch.stack([error, error / at.depth.double(), torch.ones_like(error)], 1)[keep]
    sums = error.new_zeros(len(dense), num_classes + 1, 3)
    sums.index_put_((at.image[keep], at.labels[keep]), columns, accumulate=True)
    sums[:, -1] = sums[:, :-1].sum(1)
    return sums


def _by_class(at: Positives, images: int, num_classes: int, values: Tensor) -> Tensor:
    sums = values.new_zeros(images, num_classes, 2)
    sums.index_put_((at.image, at.labels), torch.stack([values, torch.ones_like(values)], 1), accumulate=True)
    return sums


def _paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU (P,) of boxes pair by pair."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (high - low).clamp(min=0).prod(1)
    areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return overlap / (areas - overlap).clamp(min=1e-9)
