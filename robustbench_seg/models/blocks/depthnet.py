"""Networks of depth at several scales, whose decoder a semantic network may guide (Guizilini 2020)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.adaptive import Guidance
from robustbench_seg.models.blocks.deephead import DEEP, covering
from robustbench_seg.models.blocks.fpn import FPNDecoder
from robustbench_seg.models.blocks.multitask import MultiTaskNet
from robustbench_seg.models.blocks.resize import padded_size, resize
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.semantic import Semantic

if TYPE_CHECKING:
    from robustbench_seg.models.networks.base import NetworkRequest

FARTHEST = 1e6
"""Metres of an inverse depth of 0."""
Gradients = Literal["both", "guide", "depth"]
"""Which way an image's gradient flows back: through the guide, through the depth network, or through both."""


class Guide(NamedTuple):
    """A semantic network with a feature pyramid, and what of it every stage of the guided decoder gets.

    That is features of `width` channels with GroupNorm of `groups`. `gradients` changes no output.
    """

    network: MultiTaskNet
    width: int
    groups: int
    gradients: Gradients


class Stage(NamedTuple):
    """A stage of a decoder that may be guided: the stride of its map, and the filters of its convolution."""

    stride: int
    filters: int


class DepthNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to depth in metres, and to the guide's segmentation where it is asked for.

    The encoder takes images as they are and gives features. The decoder has `stages`, coarse to fine, and maps features
    and the guidance of all stages, or none, to inverse depths (N,1,h,w), fine to coarse. While training, `deep` has
    depth at the coarser scales, coarse to fine.

    The guide is a part like others: a recipe's `frozen` freezes it.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, request: NetworkRequest, guide: Guide | None) -> None:
        super().__init__()
        known = (Depth.name, Semantic.name) if guide else (Depth.name,)
        for task in request.tasks:
            if task not in known:
                raise InputError(f"no head for task {task!r}; the network's tasks are {', '.join(known)}")
        self.tasks = tuple(request.tasks)
        self.encoder, self.decoder = encoder, decoder
        self.gradients = guide.gradients if guide else "both"
        self.guide = guide.network if guide else None
        self.guidance = nn.ModuleList()
        if guide:
            stages: Sequence[Stage] = decoder.stages  # type: ignore[assignment]
            self.guidance.extend(GuideStage(guide, stage) for stage in stages)

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output per task."""
        height, width = images.shape[-2:]
        pyramid = self._pyramid(images)
        outputs: dict[str, Any] = {}
        if Depth.name in self.tasks:
            guidance = [stage(pyramid) for stage in self.guidance]
            inverses = self.decoder(self.encoder(self._along("depth", images)), guidance)
            outputs[Depth.key] = _metres(resize(inverses[0], padded_size(images)))[..., :height, :width]
            if self.training:
                outputs[DEEP] = tuple({Depth.key: _metres(covering(x, images))} for x in inverses[:0:-1])
        if Semantic.name in self.tasks and self.guide is not None:
            fused = _decoder(self.guide).summed(pyramid)
            outputs[Semantic.key] = self.guide.heads[Semantic.name](fused, padded_size(images))[..., :height, :width]
        return outputs

    def restricted(self, tasks: Sequence[str]) -> DepthNet:
        """The same network, sharing its weights, with these tasks alone."""
        other = copy.copy(self)
        other.tasks = tuple(task for task in self.tasks if task in tasks)
        return other

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        """The guide's features, fine to coarse; none without a guide."""
        if self.guide is None:
            return []
        features = self.guide.encoder(self._along("guide", images))
        return _decoder(self.guide).pyramid(features)

    def _along(self, way: str, images: Tensor) -> Tensor:
        """The images as one way sees them: without a gradient where that flows back the other way alone."""
        return images if self.gradients in ("both", way) else images.detach()


class GuideStage(nn.Module):
    """From a pyramid to the guidance of a stage: 3x3 and 1x1 convolution, GroupNorm, ELU, and σ of each filter.

    Of the pyramid's levels it takes the one as fine as the stage, or the next coarser one.
    """

    def __init__(self, guide: Guide, stage: Stage) -> None:
        super().__init__()
        strides, width = guide.network.encoder.reductions, guide.width
        self.level = next((i for i, stride in enumerate(strides) if stride >= stage.stride), len(strides) - 1)
        self.features = nn.Sequential(
            nn.Conv2d(_decoder(guide.network).out_channels, width, 3, padding=1),
            nn.Conv2d(width, width, 1),
            nn.GroupNorm(guide.groups, width),
            nn.ELU(inplace=True),
        )
        # σ² = D: squared distances grow with the channels, and where K is 0 nothing is left to learn from.
        self.log_sigma = nn.Parameter(torch.full((stage.filters,), math.log(width) / 2))

    def forward(self, pyramid: Sequence[Tensor]) -> Guidance:
        """The guidance of levels (N,C,h,w), fine to coarse."""
        return Guidance(self.features(pyramid[self.level]), self.log_sigma.exp())


def _decoder(guide: MultiTaskNet) -> FPNDecoder:
    decoder = guide.decoders[Semantic.name]
    assert isinstance(decoder, FPNDecoder)
    return decoder


def _metres(inverse: Tensor) -> Tensor:
    """Depth (N,h,w) of inverse depth (N,1,h,w) in 1/m."""
    return inverse.clamp(min=1 / FARTHEST).reciprocal().squeeze(1)
