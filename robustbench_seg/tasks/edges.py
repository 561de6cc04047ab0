"""Edges of regions: binary cross-entropy, F1 of the edge class over the data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.lazy import F, Tensor, torch
from robustbench_seg.tasks.base import (
    Floats,
    Labels,
    LossSettings,
    Metric,
    Outputs,
    Pixels,
    RawStatistics,
    Statistics,
    Values,
    quotient,
    stack,
)
from robustbench_seg.tasks.dense import DenseTask, self_information
from robustbench_seg.tasks.masked import masked_mean, selected
from robustbench_seg.tasks.rules import MapRule
from robustbench_seg.tasks.surveys import ClassSurvey

_POOLING = "hits and misses of all labelled pixels of the data set together, at probability 0.5"
SURELY_NOT = -1e4
"""A logit that costs exactly nothing where there is no edge."""


class Edges(DenseTask):
    """Logits (N,H,W) against labels (N,H,W): 1 on edges, 0 elsewhere, void 255."""

    name = "edges"
    title = "edge detection"
    key = "edges"
    group = None
    metrics = (
        Metric("f1", "edge F1", True, "", _POOLING),
        Metric("precision", "edge precision", True, "", _POOLING),
        Metric("recall", "edge recall", True, "", _POOLING),
    )
    curve = "f1"
    label_rule = MapRule("int64", VOID)

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over an image's labelled pixels."""
        known = label != VOID
        truth = torch.where(known, label, 0).to(output.dtype)
        return masked_mean(F.binary_cross_entropy_with_logits(output, truth, reduction="none"), known)

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """Binary cross-entropy to the target's probability, the mean over all pixels."""
        cost = F.binary_cross_entropy_with_logits(output, target.sigmoid(), reduction="none")
        return cost.flatten(1).mean(1)

    def alike(self) -> Callable[[Tensor, Tensor], Tensor]:
        """On the same side of probability 0.5."""
        return lambda first, second: (first > 0) == (second > 0)

    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """`counts` (3,) of each image: edges found, false ones, and missed ones."""
        label = labels[self.key]
        predicted, true, known = outputs[self.key] > 0, label == 1, label != VOID
        events = torch.stack([predicted & true, predicted & ~true & known, ~predicted & true], 1)
        return {"counts": events.flatten(2).sum(2)}

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """F1, precision and recall of the edge class."""
        hits, false, missed = (weights @ stack(statistics, "counts")).T
        ratios = {
            "f1": (2 * hits, 2 * hits + false + missed),
            "precision": (hits, hits + false),
            "recall": (hits, hits + missed),
        }
        return Values({name: quotient(top, bottom) for name, (top, bottom) in ratios.items()}, {})

    def training_losses(self, output: Tensor, label: Tensor, settings: LossSettings) -> Mapping[str, Tensor]:
        """Binary cross-entropy over all labelled pixels, both classes of equal total weight (Xie and Tu 2015).

        With an `edge_weight` the weighted mean, in which edges are that heavy (DenseMTL 2023).
        """
        known = label != VOID
        count = known.sum().clamp(min=1)
        share = torch.where(known, label, 0).sum() / count
        truth = selected(label, known, 0.0).float()
        if not truth.numel():
            return {"edges": output.sum() * 0}
        heavy = settings.edge_weight
        edge = 1 - share if heavy is None else torch.full_like(share, heavy)
        mean = F.binary_cross_entropy_with_logits(
            selected(output, known, SURELY_NOT), truth, torch.where(truth > 0, edge, 1 - edge)
        )
        total = count if heavy is None else count * (share * edge + (1 - share) * (1 - edge))
        return {"edges": mean * (truth.numel() / total)}

    def domain_maps(self, output: Tensor, source: Tensor) -> Tensor:
        """The self-information of both classes, as of a segmentation into edges and what is none."""
        return self_information(torch.stack([F.logsigmoid(output), F.logsigmoid(-output)], 1))

    def survey(self, classes: ClassSet) -> ClassSurvey:
        """Pixels on edges and elsewhere."""
        return ClassSurvey(("no edge", "edge"))

    def draw_output(self, output: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """The probability of an edge in grey."""
        return _grey(output[i].sigmoid())

    def draw_label(self, label: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """Edges in white; void is black too."""
        return _grey((label[i] == 1).float())


def _grey(probability: Tensor) -> Pixels:
    grey = (probability * 255).round().byte().cpu().numpy()
    return np.repeat(grey[..., None], 3, 2)
