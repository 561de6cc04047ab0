"""Means over the valid elements of each image."""

from __future__ import annotations

from robustbench_seg.lazy import Tensor, torch


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Per-image mean (N,) of `values` over `mask`, 0 where the mask is empty; shapes (N,...)."""
    flat, keep = values.flatten(1), mask.flatten(1)
    total = torch.where(keep, flat, torch.zeros_like(flat)).sum(1)
    return total / keep.sum(1).clamp(min=1)
