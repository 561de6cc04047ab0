"""What an FCOS instance head predicts: one candidate at every location of every level (Tian 2019; UniNet 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from robustbench_seg.tasks.instances.detections import Candidates, Detections, candidates
from robustbench_seg.tasks.instances.masks import MaskBasis
from robustbench_seg.transfer import fetch


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


@dataclass(frozen=True, eq=False)
class DenseInstances:
    """A batch of dense predictions at L locations, for images of `size` (H,W).

    `classes` (N,L,C) logits, `boxes` (N,L,4) xyxy px, `centerness` (N,L) logits, `codes` (N,L,K) of masks in `basis`
    and `depth` (N,L) metres where the model predicts them.
    """

    classes: Tensor
    boxes: Tensor
    centerness: Tensor
    locations: Locations
    size: tuple[int, int]
    codes: Tensor | None = None
    basis: MaskBasis | None = None
    depth: Tensor | None = None

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def candidates(self) -> Candidates:
        """The best candidates of each image, on the device."""
        return candidates(self)

    def detections(self) -> tuple[Detections, ...]:
        """What is found in each image, computed once; waits for the device."""
        return self._detections

    @cached_property
    def _detections(self) -> tuple[Detections, ...]:
        found: Candidates = fetch(self.candidates)
        return found.detections

    def finite(self) -> Tensor:
        """Which images (N,) have finite predictions throughout."""
        parts = [self.classes, self.boxes, self.centerness, self.codes, self.depth]
        return torch.stack([p.isfinite().flatten(1).all(1) for p in parts if p is not None]).all(0)

    def float(self) -> DenseInstances:
        """The same in float32, after half precision."""
        return self._mapped(Tensor.float)

    def detach(self) -> DenseInstances:
        """The same without a gradient."""
        return self._mapped(Tensor.detach)

    def clone(self) -> DenseInstances:
        """A copy."""
        return self._mapped(Tensor.clone)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> DenseInstances:
        return replace(
            self,
            classes=change(self.classes),
            boxes=change(self.boxes),
            centerness=change(self.centerness),
            codes=None if self.codes is None else change(self.codes),
            depth=None if self.depth is None else change(self.depth),
        )

    def merged(self, members: Sequence[Sequence[int]]) -> DenseInstances:
        """The same in other classes: the maximum over each class's member channels."""
        return replace(self, classes=torch.stack([self.classes[..., list(own)].amax(-1) for own in members], -1))
