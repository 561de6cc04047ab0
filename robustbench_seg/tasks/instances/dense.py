"""What an FCOS instance head predicts: one candidate at every location of every level (Tian 2019; UniNet 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from robustbench_seg.tasks.instances.detections import Candidates, Detections
from robustbench_seg.tasks.instances.locations import Locations
from robustbench_seg.tasks.instances.masks import MaskBasis
from robustbench_seg.transfer import fetch

SCORE_FLOOR = 0.05
TOP_LOCATIONS = 1000


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

    def __getitem__(self, images: slice) -> DenseInstances:
        """Those of some of the images."""
        return self._mapped(lambda x: x[images])

    @cached_property
    def candidates(self) -> Candidates:
        """The candidates above the score floor that score best on their level; nothing waits for the device."""
        with torch.no_grad():
            scores = (self.classes.sigmoid() * self.centerness.sigmoid()[..., None]).sqrt()
            # The floor is on the class probability, the ranking on its geometric mean with centerness (FCOS).
            scores = scores * (self.classes.sigmoid() > SCORE_FLOOR)
            count = scores.shape[2]
            best, places, start = [], [], 0
            for level in self.locations.levels:
                top = scores[:, start : start + len(level)].flatten(1).topk(min(TOP_LOCATIONS, len(level) * count))
                best.append(top.values)
                places.append(start * count + top.indices)
                start += len(level)
            place = torch.cat(places, 1)
            image, location = torch.arange(len(place), device=place.device)[:, None], place // count
            codes = None if self.codes is None else self.codes[image, location]
            boxes = self.boxes[image, location]
            return Candidates(torch.cat(best, 1), place % count, boxes, self.size, codes, self.basis)

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
