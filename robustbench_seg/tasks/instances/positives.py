"""The locations with an instance to predict, and what they have to predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robustbench_seg.transfer import placed


@dataclass(frozen=True, eq=False)
class Positives:
    """The locations of a batch with an instance to predict, P of them; nothing of it depends on predictions.

    `image` (P,), `location` (P,); what they have to predict: `boxes` (P,4), `labels` (P,), `depth` (P,), and `instance`
    (P,), the index within its image, `place` (P,), that within the batch. `centerness` (P,) is how central each lies in
    its box: the root of the product of the sides' ratios (FCOS, eq. 3). `counts` (N,) are the images' numbers of
    positives, `ignored` (N,L) locations that must not count as background, and `has_depth` is whether any has a depth.
    """

    image: Tensor
    location: Tensor
    instance: Tensor
    place: Tensor
    boxes: Tensor
    labels: Tensor
    depth: Tensor
    centerness: Tensor
    counts: Tensor
    ignored: Tensor
    has_depth: bool

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device) -> Positives:
        """The same on another device."""
        parts: dict[str, Any] = {
            name: placed(part, device) if isinstance(part, Tensor) else part for name, part in vars(self).items()
        }
        return Positives(**parts)
