"""Klingner 2020's U-decoder (monodepth2's): reflect-padded 3x3 convolutions, ELU, nearest upsampling, skips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.adaptive import AdaptiveConv2d, AdaptiveUnit, Guidance


class ConvELU(AdaptiveUnit):
    """Reflect-padded 3x3 convolution, which may be guided, and ELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(AdaptiveConv2d(inputs, outputs, 3, "reflect"), nn.ELU(inplace=True))


class UDecoder(nn.Module):
    """From features at /2../32 to a map at full resolution, one stage per level.

    A stage is conv-ELU, nearest upsampling to the skip's size, concatenation with the skip (none at full resolution),
    conv-ELU.
    The paper's `widths`, coarse to fine, are 256, 128, 64, 32, 16. With four of them it stops at /2.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int], first: nn.Module | None = None) -> None:
        """`channels` of the encoder, fine to coarse; `widths` of the stages, coarse to fine.

        `first` takes the place of the first stage's convolution before the upsampling.
        """
        super().__init__()
        if not 0 < len(widths) <= len(channels):
            raise InputError(f"widths: {list(widths)} for an encoder of {len(channels)} levels; give one each at most")
        skips = [*reversed(channels[:-1]), 0]
        inputs = [channels[-1], *widths]
        convolutions = [ConvELU(i, w) for i, w in zip(inputs, widths, strict=False)]
        self.reduce = nn.ModuleList(convolutions if first is None else [first, *convolutions[1:]])
        self.merge = nn.ModuleList(ConvELU(w + s, w) for w, s in zip(widths, skips, strict=False))
        self.widths = tuple(widths)
        self.out_channels = widths[-1]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The map (N,widths[-1],h,w) of features given fine to coarse."""
        return self.stages(features)[-1]

    def stages(self, features: Sequence[Tensor], guidance: Sequence[Guidance] = ()) -> list[Tensor]:
        """The maps of all stages, coarse to fine; `guidance`, where there is any, has one for each."""
        x, maps = features[-1], []
        for index in range(len(self.widths)):
            x = self.stage(index, x, features, guidance[index] if guidance else None)
            maps.append(x)
        return maps

    def stage(self, index: int, x: Tensor, features: Sequence[Tensor], guidance: Guidance | None = None) -> Tensor:
        """The map of one stage, of that of the stage before it; the first one's is `features[-1]`.

        Guided is the convolution after the concatenation.
        """
        x = self.reduce[index](x)
        if index == len(features) - 1:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        else:
            skip = features[-2 - index]
            x = torch.cat([F.interpolate(x, skip.shape[-2:], mode="nearest"), skip], 1)
        merged: Tensor = self.merge[index](x, guidance)
        return merged
