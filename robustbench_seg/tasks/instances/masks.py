"""Instance masks as short codes: principal components of masks cut out by their boxes (MEInst, Zhang 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import roi_align

SIDE = 28


@dataclass(frozen=True, eq=False)
class MaskBasis:
    """`mean` (SIDE²,) and orthonormal `components` (K,SIDE²) of square masks."""

    mean: Tensor
    components: Tensor

    def encode(self, crops: Tensor) -> Tensor:
        """Codes (M,K) of square masks (M,SIDE²) in [0,1]."""
        codes: Tensor = (crops - self.mean) @ self.components.T
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Square masks (M,SIDE²), about 1 inside and 0 outside, of codes (M,K)."""
        squares: Tensor = codes @ self.components + self.mean
        return squares


def crops(masks: Tensor, boxes: Tensor) -> Tensor:
    """Each mask (M,H,W) cut out by its own box (M,4) xyxy px and sampled to (M,SIDE²), in [0,1]."""
    if not len(masks):
        return boxes.new_zeros((0, SIDE * SIDE))
    index = torch.arange(len(masks), device=boxes.device, dtype=boxes.dtype)[:, None]
    cut = roi_align(masks[:, None].to(boxes.dtype), torch.cat([index, boxes], 1), SIDE, aligned=True)
    flat: Tensor = cut.flatten(1)
    return flat


def fit(samples: Tensor, count: int) -> MaskBasis:
    """The basis of `count` principal components of square masks (M,SIDE²); zeros where the samples span fewer."""
    mean = samples.mean(0)
    _, sizes, axes = torch.linalg.svd((samples - mean).double(), full_matrices=False)
    components = samples.new_zeros(count, samples.shape[1])
    # Directions in which nothing varies are arbitrary, and another machine would choose others.
    spanned = int((sizes > 1e-8 * max(float(sizes[0]), 1.0)).sum())
    kept = axes[: min(count, spanned)].to(samples.dtype)
    # The sign of a singular vector is arbitrary: fix it, so that every machine learns the same codes.
    signs = kept.gather(1, kept.abs().argmax(1, keepdim=True)).sign()
    components[: len(kept)] = kept * signs
    return MaskBasis(mean, components)


def paste(squares: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Square masks (M,SIDE²) laid into their boxes (M,4) px, thresholded at a half: (M,*size) bool; on the host."""
    height, width = size
    pasted = torch.zeros((len(boxes), height, width), dtype=torch.bool)
    x1, y1, x2, y2 = boxes.unbind(1)
    columns, rows = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    # Pixel centres in each box's own coordinates, -1 at its first edge and 1 at its last.
    u = (columns[None] - x1[:, None]) / (x2 - x1).clamp(min=1e-3)[:, None] * 2 - 1
    v = (rows[None] - y1[:, None]) / (y2 - y1).clamp(min=1e-3)[:, None] * 2 - 1
    # Within its box alone: on grids of the image's size, 100 masks of 1024 x 2048 px would take gigabytes.
    for mask, square, across, down in zip(pasted, squares.view(-1, 1, 1, SIDE, SIDE), u, v, strict=True):
        x, y = _inside(across), _inside(down)
        grid = torch.stack(torch.meshgrid(across[x], down[y], indexing="xy"), -1)[None]
        values = torch.nn.functional.grid_sample(square, grid, padding_mode="border", align_corners=False)
        mask[y, x] = values[0, 0] >= 0.5
    return pasted


def _inside(places: Tensor) -> slice:
    """Where rising places lie between -1 and 1."""
    inside = (places.abs() <= 1).nonzero()
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0)
