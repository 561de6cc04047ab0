"""What is found in an image: the best candidates, chosen on the device, then suppressed and pasted on the host."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image

from robustbench_seg.tasks.instances.masks import MaskBasis, paste

NMS_IOU = 0.6
KEPT = 100


@dataclass(frozen=True, eq=False)
class Detections:
    """What is found in one image, by falling score, on the host.

    `boxes` (D,4) xyxy px, `scores` (D,), `labels` (D,) int64 class ids, `masks` (D,H,W) bool or None.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Tensor | None


@dataclass(frozen=True, eq=False)
class Candidates:
    """The best T candidates of each image of a batch, level by level; they may overlap.

    `scores` (N,T), 0 below the floor, `labels` (N,T), `boxes` (N,T,4) xyxy px, `codes` (N,T,K) of masks in `basis`
    where the model predicts them; `size` (H,W) of the images.
    """

    scores: Tensor
    labels: Tensor
    boxes: Tensor
    size: tuple[int, int]
    codes: Tensor | None
    basis: MaskBasis | None

    @cached_property
    def detections(self) -> tuple[Detections, ...]:
        """What is found in each image; for candidates on the host."""
        with torch.no_grad():
            return tuple(self._found(i) for i in range(len(self.scores)))

    def _found(self, image: int) -> Detections:
        """Non-maximum suppression per class, and the best of the image."""
        likely = self.scores[image] > 0
        scores, labels = self.scores[image][likely], self.labels[image][likely]
        boxes = clip_boxes_to_image(self.boxes[image][likely], self.size)
        best = batched_nms(boxes, scores, labels, NMS_IOU)[:KEPT]
        masks = None
        if self.codes is not None and self.basis is not None:
            masks = paste(self.basis.decode(self.codes[image][likely][best]), boxes[best], self.size)
        return Detections(boxes[best], scores[best], labels[best], masks)
