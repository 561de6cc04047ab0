"""Atrous spatial pyramid pooling (Chen 2017), as torchvision has it."""

from __future__ import annotations

from typing import Annotated

from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from robustbench_seg.strict import Range

Dilations = tuple[Annotated[int, Range(1, 64)], ...]
"""Of the 3x3 convolutions; those that reach beyond the map see its padding alone."""


def aspp(inputs: int, width: int, dilations: Dilations) -> nn.Module:
    """A 1x1 convolution, one 3x3 convolution per dilation and the mean of the map, fused; with dropout of a half."""
    made: nn.Module = ASPP(inputs, list(dilations), width)
    return made
