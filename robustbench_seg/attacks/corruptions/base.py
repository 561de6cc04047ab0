"""What common corruptions share (Hendrycks and Dietterich 2019, ImageNet-C): severities, randomness, both budgets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import numpy as np

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import fetch, placed


class Drawn(Enum):
    """What a corruption draws anew for: every image (noise of a sensor), every clip (weather, glass), or nothing."""

    IMAGE = "image"
    CLIP = "clip"
    NEVER = "never"


@dataclass(frozen=True)
class Corruption(Perturbation):
    """A corruption at a severity of ImageNet-C; with an epsilon, its displacement scaled to that RMS.

    `levels` are the published parameters by severity, made for images of 224x224; what is in pixels stays so at any
    size. Computed on the CPU, image by image and in floating point: the same bits on every device and in every batch.
    One draw serves all severities, and all frames of a clip where it is `drawn` by clip.

    Args:
        severity: 1 to 5 as published, 0 for the images as they are. With an epsilon it is the one whose displacement
            is scaled.
    """

    norms: ClassVar[tuple[str, ...]] = ("none", "rms")
    default_objectives: ClassVar[tuple[str, ...]] = ()
    named_by: ClassVar[tuple[str, ...]] = ("severity",)
    levels: ClassVar[Sequence[Any]] = ()
    drawn: ClassVar[Drawn] = Drawn.NEVER

    severity: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.severity <= len(self.levels):
            raise UsageError(f"severity {self.severity} must be from 0 to {len(self.levels)}")

    @abstractmethod
    def corrupt(self, image: Tensor, level: Any, draw: np.random.Generator) -> Tensor:
        """The corrupted image (3,H,W) of one in [0,1] on the CPU; `level` is the severity's entry in `levels`."""

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """Corrupted images; a budget with an epsilon scales what was changed onto its sphere."""
        ((_, corrupted),) = self.run_epsilons(context, [budget])
        return corrupted

    def run_epsilons(self, context: AttackContext, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """One corruption for the whole grid."""
        corrupted = self._corrupted(context)
        yield from ((budget, corrupted) for budget in budgets)

    def _corrupted(self, context: AttackContext) -> Tensor:
        if not self.severity:
            return context.images.clone()
        names = context.clips if self.drawn is Drawn.CLIP else context.ids
        streams = context.streams(names, type(self).__name__)
        level, images = self.levels[self.severity - 1], fetch(context.images)
        corrupted = [self.corrupt(image, level, draw) for image, draw in zip(images, streams, strict=True)]
        return placed(torch.stack(corrupted).to(context.images.dtype), context.images.device)
