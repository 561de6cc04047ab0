"""Counts and sums by group whose sizes are known beforehand, the same however images are batched."""

from __future__ import annotations

from robustbench_seg import transfer
from robustbench_seg.lazy import Tensor


def counts(index: Tensor, bins: int) -> Tensor:
    """How often each of `bins` numbers occurs in each image of (N,H,W) int64: (N,bins) int64."""
    # Row by row where bins are few: where most pixels are of one class, a GPU's threads would queue up for its counter.
    parts = index if bins <= index.shape[-1] else index.flatten(1)[:, None]
    counted = parts.new_zeros(*parts.shape[:-1], bins)
    return counted.scatter_add_(-1, parts, parts.new_ones(()).expand_as(parts)).sum(1)


def sums(values: Tensor, index: Tensor, bins: int) -> Tensor:
    """The sums (bins,...) of values (P,...) by their number (P,), added in their order."""
    start = values.new_zeros(bins, *values.shape[1:])
    if transfer.on_host(values):
        return start.index_add(0, index, values)
    # Sorts on a GPU, where `index_add` adds in an order that differs from time to time.
    return start.index_put((index,), values, accumulate=True)
