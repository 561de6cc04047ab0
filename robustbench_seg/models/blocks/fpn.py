"""A light feature-pyramid decoder with a global context vector, for encoders trained at low cost."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from robustbench_seg.models.blocks.resize import resize


class FPNDecoder(nn.Module):
    """Top-down pyramid (Lin 2017) whose levels are smoothed, brought to the finest one and summed (Kirillov 2019).

    The smoothing is depthwise-separable. The coarsest level also gets the image's mean feature (ParseNet 2015),
    which distinguishes classes that look alike locally.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels` of the encoder's levels, fine to coarse."""
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.context = nn.Sequential(
            nn.Conv2d(channels[-1], width, 1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 1)
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(Conv2dNormActivation(width, width, 3, groups=width), Conv2dNormActivation(width, width, 1))
            for _ in channels
        )
        self.fuse = Conv2dNormActivation(width, width, 3)
        self.out_channels = width

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The map (N,width,h,w) at the finest level, of features given fine to coarse."""
        return self.summed(self.pyramid(features))

    def pyramid(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The smoothed levels (N,width,h,w), each as large as its features; both are fine to coarse."""
        laterals = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        top = laterals[-1] + self.context(features[-1].mean((2, 3), keepdim=True))
        levels = [top]
        for lateral in reversed(laterals[:-1]):
            levels.insert(0, lateral + resize(levels[0], lateral.shape[-2:]))
        return [smooth(x) for smooth, x in zip(self.smooth, levels, strict=True)]

    def summed(self, pyramid: Sequence[Tensor]) -> Tensor:
        """The map of a pyramid."""
        size = pyramid[0].shape[-2:]
        fused: Tensor = self.fuse(torch.stack([resize(level, size) for level in pyramid]).sum(0))
        return fused
