"""Training losses, one a task; the tasks' own losses stay what the attacks ascend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.depth import MAX_DEPTH, MIN_DEPTH, Depth
from robustbench_seg.tasks.semantic import Semantic
from robustbench_seg.training.batches import Source

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Trained:
    """A task that can be trained here: its metrics and its training loss (output, label, class weights)."""

    task: Task
    loss: Loss


def weighted_cross_entropy(logits: Tensor, label: Tensor, weights: Tensor | None) -> Tensor:
    """Class-weighted cross-entropy over labelled pixels, the weights' mean divided out; 0 where all is void."""
    summed = F.cross_entropy(logits, label, weights, ignore_index=VOID, reduction="sum")
    valid = label[label != VOID]
    total = valid.numel() if weights is None else weights[valid].sum()
    return summed / max(float(total), 1e-6)


def log_depth_l1(depth: Tensor, label: Tensor, weights: Tensor | None) -> Tensor:
    """Mean |log predicted - log true depth| over valid pixels; relative errors count alike near and far."""
    keep = (label > MIN_DEPTH) & (label < MAX_DEPTH)
    # Selected before the logarithm: log 0 of an invalid pixel must not reach the gradient.
    error = (depth[keep].log() - label[keep].log()).abs()
    return error.sum() / max(error.numel(), 1)


TRAINED: dict[str, Trained] = {
    "semantic": Trained(Semantic(), weighted_cross_entropy),
    "depth": Trained(Depth(), log_depth_l1),
}


def class_weights(source: Source, num_classes: int) -> Tensor:
    """1 / ln(1.02 + share) of each class's share of labelled pixels in the training split (ENet 2016)."""
    counts = torch.zeros(num_classes)
    for index in range(len(source.dataset)):
        label = source[index][1]["semantic"].flatten().long()
        counts += torch.bincount(label[label != VOID], minlength=num_classes)[:num_classes]
    return 1 / torch.log(1.02 + counts / counts.sum().clamp(min=1))
