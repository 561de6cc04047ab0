"""Training losses by task; the tasks' own losses stay what the attacks ascend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.depth import MAX_DEPTH, MIN_DEPTH
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.losses import Comparison, Share
from robustbench_seg.tasks.instances.truth import InstanceLabels
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.batches import Source

Losses = Mapping[str, Tensor]
"""Scalars by name, over a whole batch; a loss without a single label in it is left out."""


@dataclass(frozen=True)
class LossSettings:
    """What training losses take from the recipe: class weights (C,) of the cross-entropy, the kind of depth loss."""

    class_weights: Tensor | None = None
    depth: str = "log_l1"


@dataclass(frozen=True)
class Trained:
    """A task that can be trained here, by name, and its training losses of (output, label, settings)."""

    name: str
    losses: Callable[[Any, Any, LossSettings], Losses]

    @cached_property
    def task(self) -> Task:
        """Its metrics."""
        return TASKS.get(self.name)()


def weighted_cross_entropy(logits: Tensor, label: Tensor, weights: Tensor | None) -> Tensor:
    """Class-weighted cross-entropy over labelled pixels, the weights' mean divided out; 0 where all is void."""
    summed = F.cross_entropy(logits, label, weights, ignore_index=VOID, reduction="sum")
    valid = label[label != VOID]
    total = valid.numel() if weights is None else weights[valid].sum()
    return summed / max(float(total), 1e-6)


def log_depth_l1(depth: Tensor, label: Tensor) -> Tensor:
    """Mean |log predicted - log true depth| over valid pixels; relative errors count alike near and far."""
    error = _log_errors(depth, label).abs()
    return error.sum() / max(error.numel(), 1)


def log_depth_rmse(depth: Tensor, label: Tensor) -> Tensor:
    """Root mean square of log predicted - log true depth over valid pixels: UniNet's RMSE on a normalised depth."""
    error = _log_errors(depth, label).square()
    # The root has no gradient at 0.
    return (error.sum() / max(error.numel(), 1) + 1e-12).sqrt()


def _log_errors(depth: Tensor, label: Tensor) -> Tensor:
    keep = _valid(label)
    # Selected before the logarithm: log 0 of an invalid pixel must not reach the gradient.
    return depth[keep].log() - label[keep].log()


def _valid(label: Tensor) -> Tensor:
    return (label > MIN_DEPTH) & (label < MAX_DEPTH)


_DEPTH: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"log_l1": log_depth_l1, "log_rmse": log_depth_rmse}


def _semantic(logits: Tensor, label: Tensor, settings: LossSettings) -> Losses:
    return {"seg": weighted_cross_entropy(logits, label, settings.class_weights)} if (label != VOID).any() else {}


def _depth(depth: Tensor, label: Tensor, settings: LossSettings) -> Losses:
    has_any = bool(_valid(label).any())
    return {"depth": _DEPTH[settings.depth](depth, label)} if has_any else {}


def _detection(dense: DenseInstances, truth: InstanceLabels, settings: LossSettings) -> Losses:
    comparison = Comparison(dense, truth)
    shares = {"cls": comparison.classification(), "reg": comparison.regression(), "centerness": comparison.centring()}
    return _pooled(shares)


def _instance(dense: DenseInstances, truth: InstanceLabels, settings: LossSettings) -> Losses:
    return _pooled({"mask": Comparison(dense, truth).masks()})


def _instance_depth(dense: DenseInstances, truth: InstanceLabels, settings: LossSettings) -> Losses:
    return _pooled({"instance_depth": Comparison(dense, truth).depths()})


def _pooled(shares: Mapping[str, Share]) -> Losses:
    """Sums over the batch divided by their number, where there is any."""
    return {name: total.sum() / count.sum() for name, (total, count) in shares.items() if count.sum() > 0}


def _normals(normals: Tensor, label: Tensor, settings: LossSettings) -> Losses:
    """L1 of unit vectors over valid pixels."""
    keep = label.square().sum(1) > 0
    error = (F.normalize(normals, dim=1) - label).abs().sum(1)[keep]
    return {"normals": error.mean()} if error.numel() else {}


def _edges(logits: Tensor, label: Tensor, settings: LossSettings) -> Losses:
    """Binary cross-entropy over labelled pixels, both classes of equal total weight (Xie and Tu 2015)."""
    keep = label != VOID
    truth = label[keep].float()
    if not truth.numel():
        return {}
    share = truth.mean()
    weight = torch.where(truth > 0, 1 - share, share)
    return {"edges": F.binary_cross_entropy_with_logits(logits[keep], truth, weight)}


TRAINED: Mapping[str, Trained] = {
    trained.name: trained
    for trained in (
        Trained("semantic", _semantic),
        Trained("depth", _depth),
        Trained("detection", _detection),
        Trained("instance", _instance),
        Trained("instance_depth", _instance_depth),
    )
}
AUXILIARY: Mapping[str, Callable[[Any, Any, LossSettings], Losses]] = {"normals": _normals, "edges": _edges}
"""Losses of what is only predicted on the way, in training (PAD-Net, MTI-Net)."""


def weighted_sum(losses: Mapping[str, Tensor]) -> Tensor:
    """The plain sum of losses that carry their weights already."""
    return torch.stack(list(losses.values())).sum()


def geometric_mean(losses: Mapping[str, Tensor]) -> Tensor:
    """The geometric loss strategy (Chennupati 2019; UniNet 2021, eq. 1): exp of the mean logarithm."""
    return torch.stack(list(losses.values())).clamp(min=1e-8).log().mean().exp()


BALANCES: Mapping[str, Callable[[Mapping[str, Tensor]], Tensor]] = {"sum": weighted_sum, "geometric": geometric_mean}


def class_weights(source: Source, num_classes: int) -> Tensor:
    """1 / ln(1.02 + share) of each class's share of labelled pixels in the training split (ENet 2016)."""
    counts = torch.zeros(num_classes)
    for index in range(len(source.dataset)):
        label = source[index][1]["semantic"].flatten().long()
        counts += torch.bincount(label[label != VOID], minlength=num_classes)[:num_classes]
    return 1 / torch.log(1.02 + counts / counts.sum().clamp(min=1))
