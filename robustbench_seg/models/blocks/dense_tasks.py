"""Tasks with a value at every pixel: the raw channels a network predicts for them, and their output in units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

NEAR, FAR = 0.5, 100.0
"""Metres at 0 and 1 of the normalised depth; the scale between is logarithmic."""


def metric_depth(values: Tensor) -> Tensor:
    """Metres (N,H,W) of raw values (N,1,H,W): their sigmoid is the logarithm of depth between NEAR and FAR."""
    return NEAR * (math.log(FAR / NEAR) * values[:, 0].sigmoid()).exp()


@dataclass(frozen=True)
class DenseTask:
    """The raw `channels` a task needs of the number of classes, and how they become its output."""

    channels: Callable[[int], int]
    finish: Callable[[Tensor], Tensor]


DENSE_TASKS: Mapping[str, DenseTask] = {
    "semantic": DenseTask(lambda num_classes: num_classes, lambda logits: logits),
    "depth": DenseTask(lambda num_classes: 1, metric_depth),
    "normals": DenseTask(lambda num_classes: 3, lambda vectors: F.normalize(vectors, dim=1)),
    "edges": DenseTask(lambda num_classes: 1, lambda logits: logits[:, 0]),
}
"""`semantic` logits (N,C,H,W), `depth` metres (N,H,W), `normals` unit vectors (N,3,H,W), `edges` logits (N,H,W)."""
