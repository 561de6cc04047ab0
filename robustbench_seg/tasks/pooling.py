"""How sums over the pixels of every image become one value: image by image, or over all pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from robustbench_seg.tasks.base import Floats, quotient, weighted_mean

IMAGE, MEAN_SQUARE, PIXEL = "image", "mean_square", "pixel"

Metrics = Callable[[Floats], Mapping[str, Floats]]
"""Metrics (...) of sums (...,E+1) over pixels, whose last column counts these."""


@dataclass(frozen=True)
class Pooling:
    """`pool` makes metrics (R,...) of the sums (n,...,E+1) of n images under R weightings (R,n), as `text` says."""

    text: str
    pool: Callable[[Floats, Floats, Metrics], Mapping[str, Floats]]


def _of_images(sums: Floats, weights: Floats, metrics: Metrics) -> Mapping[str, Floats]:
    return {name: weighted_mean(values, weights) for name, values in metrics(sums).items()}


def _of_means(sums: Floats, weights: Floats, metrics: Metrics) -> Mapping[str, Floats]:
    return metrics(weighted_mean(quotient(sums, sums[..., -1:]), weights))


def _of_pixels(sums: Floats, weights: Floats, metrics: Metrics) -> Mapping[str, Floats]:
    return metrics((weights @ sums.reshape(len(sums), -1)).reshape(len(weights), *sums.shape[1:]))


POOLINGS: Mapping[str, Pooling] = {
    IMAGE: Pooling("mean over images of the per-image value", _of_images),
    MEAN_SQUARE: Pooling("value of the mean over images of their mean errors", _of_means),
    PIXEL: Pooling("value over the pixels of all images", _of_pixels),
}
"""By name. Papers pool RMSE in each way: by image (Guizilini 2020), as the root of the mean over images of their mean
square errors (DenseMTL 2023), over all pixels (elsewhere). Metrics without a root are equal in the first two."""
