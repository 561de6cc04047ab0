"""Where an FCOS head predicts: the locations of its pyramid's levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Level:
    """`rows` x `columns` locations, `stride` px apart, that serve boxes from `smallest` px up to below `largest`."""

    rows: int
    columns: int
    stride: int
    smallest: float
    largest: float

    def __len__(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True, eq=False)
class Locations:
    """Where candidates sit: `points` (L,2) px x,y; `strides` (L,) px; `ranges` (L,2) px of the box sizes they serve.

    `levels`, fine to coarse, say all of this: where they are equal, so are the rest.
    """

    levels: tuple[Level, ...]
    points: Tensor
    strides: Tensor
    ranges: Tensor

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def of(cls, levels: Sequence[Level], device: str | torch.device) -> Locations:
        """Those at the middle of every cell of the levels; in float32."""
        points, strides, ranges = [], [], []
        for level in levels:
            rows = (torch.arange(level.rows, device=device) + 0.5) * level.stride
            columns = (torch.arange(level.columns, device=device) + 0.5) * level.stride
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            points.append(torch.stack([x.flatten(), y.flatten()], 1))
            of_all = torch.ones(len(level), device=device)
            strides.append(of_all * level.stride)
            ranges.append(torch.stack([of_all * level.smallest, of_all * level.largest], 1))
        return cls(tuple(levels), torch.cat(points), torch.cat(strides), torch.cat(ranges))
