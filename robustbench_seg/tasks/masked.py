"""The valid elements of images: their means, and the elements alone."""

from __future__ import annotations

from robustbench_seg import transfer
from robustbench_seg.lazy import Tensor, torch


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Per-image mean (N,) of `values` over `mask`, 0 where the mask is empty; shapes (N,...)."""
    flat, keep = values.flatten(1), mask.flatten(1)
    total = torch.where(keep, flat, torch.zeros_like(flat)).sum(1)
    return total / keep.sum(1).clamp(min=1)


def selected(values: Tensor, mask: Tensor, filler: float) -> Tensor:
    """The values (...,*mask.shape) under the mask, in one row (...,P); on a GPU all, those outside of it `filler`.

    What selects waits for a GPU. A sum over them is the same where the filler adds nothing.
    """
    return values[..., mask] if transfer.on_host(mask) else torch.where(mask, values, filler)
