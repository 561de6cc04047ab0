"""What an FCOS instance head predicts: one candidate at every location of every level (Tian 2019; UniNet 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image

from robustbench_seg.tasks.instances.masks import MaskBasis, paste

SCORE_FLOOR = 0.05
TOP_LOCATIONS = 1000
NMS_IOU = 0.6
KEPT = 100


@dataclass(frozen=True, eq=False)
class Detections:
    """What is found in one image, by falling score.

    `boxes` (D,4) xyxy px, `scores` (D,), `labels` (D,) int64 class ids, `masks` (D,H,W) bool or None.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Tensor | None


@dataclass(frozen=True, eq=False)
class Locations:
    """Where candidates sit: `points` (L,2) px x,y; `strides` (L,) px; `ranges` (L,2) px of the box sizes they serve.

    `levels` are the numbers of locations of each level, fine to coarse.
    """

    points: Tensor
    strides: Tensor
    ranges: Tensor
    levels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.points)


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

    def detections(self) -> tuple[Detections, ...]:
        """What is found in each image, computed once."""
        return self._detections

    @cached_property
    def _detections(self) -> tuple[Detections, ...]:
        with torch.no_grad():
            return tuple(self._decode(i) for i in range(len(self)))

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

    def _decode(self, image: int) -> Detections:
        """Score floor, the best of each level, non-maximum suppression per class, the best of the image."""
        scores = (self.classes[image].sigmoid() * self.centerness[image].sigmoid()[:, None]).sqrt()
        # The floor is on the class probability, the ranking on its geometric mean with centerness (FCOS).
        scores = scores * (self.classes[image].sigmoid() > SCORE_FLOOR)
        where, labels, kept = [], [], []
        start = 0
        for count in self.locations.levels:
            level = scores[start : start + count].flatten()
            top = level.topk(min(TOP_LOCATIONS, len(level)))
            candidates = top.indices[top.values > 0]
            where.append(start + candidates // scores.shape[1])
            labels.append(candidates % scores.shape[1])
            kept.append(top.values[top.values > 0])
            start += count
        index, label, score = torch.cat(where), torch.cat(labels), torch.cat(kept)
        boxes = clip_boxes_to_image(self.boxes[image][index], self.size)
        best = batched_nms(boxes, score, label, NMS_IOU)[:KEPT]
        index, boxes = index[best], boxes[best]
        masks = None
        if self.codes is not None and self.basis is not None:
            masks = paste(self.basis.decode(self.codes[image][index]), boxes, self.size)
        return Detections(boxes, score[best], label[best], masks)
