"""MTAN (Liu 2019): each task attends to the shared encoder's features, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from robustbench_seg.models.blocks.bottleneck import Bottleneck
from robustbench_seg.models.blocks.deephead import chosen_tasks, finished, light_heads
from robustbench_seg.models.networks.base import LightParameters, NetworkRequest


class AttentionMask(nn.Sequential):
    """1x1 convolutions to a mask in (0,1), one value per channel and pixel."""

    def __init__(self, inputs: int, channels: int) -> None:
        inner = max(4, channels // 4)
        super().__init__(
            Conv2dNormActivation(inputs, inner, 1),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )


class StageAttention(nn.ModuleList):
    """A task's masks: at each stage, of the shared map and what the task kept of the stage before (Liu 2019, eq. 2)."""

    def __init__(self, channels: Sequence[int]) -> None:
        before = [0, *channels[1:]]
        super().__init__(AttentionMask(c + b, c) for c, b in zip(channels, before, strict=True))

    def forward(self, features: Sequence[Tensor], refine: nn.ModuleList) -> list[Tensor]:
        """The attended maps, in the shapes of `features`, fine to coarse."""
        kept = [self[0](features[0]) * features[0]]
        for mask, refined, x in zip(list(self)[1:], refine, features[1:], strict=True):
            before = F.adaptive_max_pool2d(refined(kept[-1]), (x.shape[-2], x.shape[-1]))
            kept.append(mask(torch.cat([x, before], 1)) * x)
        return kept


@dataclass(frozen=True)
class MTANParameters(LightParameters):
    """A light head per task on the levels it attends to."""

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return MTAN(self, request)


class MTAN(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    Masks are made of the stages' outputs, with which any encoder serves; the paper makes them of each stage's first
    block. The convolutions that carry a task's map to the next stage are shared by the tasks, as in the paper.
    """

    def __init__(self, parameters: MTANParameters, request: NetworkRequest) -> None:
        super().__init__()
        self.tasks = chosen_tasks(request.tasks)
        self.encoder = parameters.image_encoder(request, parameters.skip_finest)
        used = self.encoder.channels
        self.refine = nn.ModuleList(Bottleneck(fine, coarse, max(4, coarse // 4)) for fine, coarse in pairwise(used))
        self.attention = nn.ModuleDict({name: StageAttention(used) for name in self.tasks})
        self.heads = light_heads(self.tasks, used, parameters.width, request.num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task."""
        features = self.encoder(images)
        raw = {task: head(self.attention[task](features, self.refine)) for task, head in self.heads.items()}
        return finished(self.tasks, raw, images)
