"""Monocular depth: RMSE loss, error sums, the usual metrics averaged over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from robustbench_seg.lazy import lazy_module
from robustbench_seg.tasks.base import (
    Floats,
    Labels,
    Metric,
    Statistics,
    Task,
    Values,
    masked_mean,
    stack,
    weighted_mean,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy_module("torch")

MIN_DEPTH = 1e-3
MAX_DEPTH = 80.0
_POOLING = "mean over images of the per-image value"
_ERRORS = ("abs_rel", "sq_rel", "squared", "squared_log", "delta1", "delta2", "delta3")


class Depth(Task):
    """Depth (N,H,W) in metres against labels (N,H,W) in metres with invalid 0.

    Pixels with 1e-3 < label < 80 m count; predictions are clamped to that range before the metrics.
    RMSE is the mean of per-image RMSE (Guizilini 2020 and AT/DT pool it so; other papers differ).
    """

    name = "depth"
    title = "depth"
    key = "depth"
    group = "geometric"
    metrics = (
        Metric("rmse", "RMSE", False, "m", _POOLING),
        Metric("abs_rel", "AbsRel", False, "", _POOLING),
        Metric("sq_rel", "SqRel", False, "m", _POOLING),
        Metric("rmse_log", "RMSE log", False, "", _POOLING),
        Metric("delta1", "δ < 1.25", True, "", _POOLING),
        Metric("delta2", "δ < 1.25²", True, "", _POOLING),
        Metric("delta3", "δ < 1.25³", True, "", _POOLING),
    )
    curve = "rmse"

    def implausible(self, metric: str, value: float, num_classes: int) -> str:
        """A relative error above 1."""
        return "worse than predicting 0 m everywhere" if metric == "abs_rel" and value > 1 else ""

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """RMSE in metres over an image's valid pixels (UniNet 2021 trains and attacks depth with it)."""
        return _root(masked_mean((output - label).square(), _mask(label)))

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """RMSE over all pixels, in whatever unit the two have."""
        return _root((output - target).square().flatten(1).mean(1))

    def valid(self, label: Tensor) -> Tensor:
        """Images with at least one valid pixel."""
        return _mask(label).flatten(1).any(1)

    def statistics(self, output: Tensor, labels: Labels, num_classes: int) -> list[Statistics]:
        """Error sums (C+1, 8): a row a semantic class of the label and a last row for all; see `_ERRORS`."""
        label = labels[self.key]
        regions = labels.get("semantic")
        return [
            {"sums": _error_sums(output[i], label[i], None if regions is None else regions[i], num_classes)}
            for i in range(len(label))
        ]

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """Semantic classes with a pixel of valid depth."""
        return np.asarray(stack(statistics, "sums")[:, :-1, -1].sum(0) > 0)

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """The seven metrics; per class the same over the pixels labelled so."""
        sums = stack(statistics, "sums")
        count = sums[..., -1]
        means = np.divide(
            sums[..., :-1],
            count[..., None],
            out=np.full_like(sums[..., :-1], np.nan),
            where=count[..., None] > 0,
        )
        table = dict(zip(_ERRORS, np.moveaxis(means, -1, 0), strict=True))
        table["rmse"] = np.sqrt(table.pop("squared"))
        table["rmse_log"] = np.sqrt(table.pop("squared_log"))
        pooled = {metric.name: weighted_mean(table[metric.name], weights) for metric in self.metrics}
        hidden = np.where(scored, 0.0, np.nan)
        return Values(
            {name: value[:, -1] for name, value in pooled.items()},
            {name: value[:, :-1] + hidden for name, value in pooled.items()},
        )


def median_ratio(output: Tensor, label: Tensor) -> Tensor:
    """median(label) / median(prediction) over the valid pixels (N,), detached; 1 where none is valid.

    For models trained without metric supervision.
    """
    ratios = []
    for prediction, truth in zip(output.detach(), label, strict=True):
        keep = _mask(truth)
        ratios.append(
            truth[keep].median() / prediction[keep].median().clamp(min=1e-9) if keep.any() else truth.new_ones(())
        )
    return torch.stack(ratios)


def _root(mean: Tensor) -> Tensor:
    # The root has no gradient at 0: an image without valid pixels must give zero, not NaN.
    return torch.where(mean > 0, mean, torch.ones_like(mean)).sqrt() * (mean > 0)


def _mask(label: Tensor) -> Tensor:
    return (label > MIN_DEPTH) & (label < MAX_DEPTH)


def _error_sums(output: Tensor, label: Tensor, regions: Tensor | None, num_classes: int) -> Floats:
    keep = _mask(label)
    truth = label[keep].double()
    predicted = output[keep].double().clamp(MIN_DEPTH, MAX_DEPTH)
    error = (predicted - truth).abs()
    ratio = torch.maximum(predicted / truth, truth / predicted)
    columns = [
        error / truth,
        error.square() / truth,
        error.square(),
        (predicted.log() - truth.log()).square(),
        *((ratio < 1.25**power).double() for power in (1, 2, 3)),
        torch.ones_like(truth),
    ]
    table = torch.stack(columns, 1)
    sums = table.new_zeros(num_classes + 1, len(columns))
    sums[-1] = table.sum(0)
    if regions is not None:
        inside = regions[keep]
        named = inside < num_classes
        sums.index_add_(0, inside[named], table[named])
    return sums.cpu().numpy()
