"""The residual block of the multi-task networks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions with a residual connection, as in ResNet-50."""

    def __init__(self, inputs: int, width: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Conv2dNormActivation(inputs, inner, 1),
            Conv2dNormActivation(inner, inner, 3),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.skip = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """The map (N,width,h,w)."""
        return F.relu(self.body(x) + self.skip(x))
