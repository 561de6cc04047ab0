"""Bilinear resizing of maps and padding of images, as every network here does them."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

MULTIPLE = 32
"""Encoders halve the image five times."""
SMALLEST = 64
"""Reflect padding by one needs two pixels at /32."""


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Maps (N,C,h,w) at `size` (H,W), untouched where they have it."""
    return x if x.shape[-2:] == tuple(size) else F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def padded(x: Tensor) -> Tensor:
    """Images (N,3,H,W) padded below and to the right by their edge, to `padded_size`."""
    height, width = x.shape[-2:]
    rows, columns = padded_size(x)
    padding = (0, columns - width, 0, rows - height)
    return F.pad(x, padding, mode="replicate") if any(padding) else x


def padded_size(x: Tensor) -> tuple[int, int]:
    """The next (H,W) in multiples of 32 that holds images (N,3,H,W), at least 64."""
    rows, columns = (max(SMALLEST, -(-length // MULTIPLE) * MULTIPLE) for length in x.shape[-2:])
    return rows, columns
