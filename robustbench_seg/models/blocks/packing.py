"""PackNet's blocks (Guizilini 2019): maps are packed into channels, and unpacked from them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.adaptive import AdaptiveConv2d, AdaptiveUnit


class Unit(AdaptiveUnit):
    """Convolution, which may be guided, GroupNorm and ELU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__(AdaptiveConv2d(inputs, outputs, kernel), nn.GroupNorm(groups, outputs), nn.ELU(inplace=True))


class Residual(nn.Module):
    """Two 3x3 units beside a 1x1 convolution; GroupNorm and ELU of their sum."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.units = nn.Sequential(Unit(inputs, outputs, 3, groups), Unit(outputs, outputs, 3, groups))
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.last = nn.Sequential(nn.GroupNorm(groups, outputs), nn.ELU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """The map (N,outputs,H,W) of one of as many rows and columns."""
        result: Tensor = self.last(self.units(x) + self.shortcut(x))
        return result


class Lift(nn.Conv2d):
    """A 3x3x3 convolution over channels, rows and columns to several `features`, which become channels.

    That is a 2-D one of each three neighbouring channels: faster on a CPU, and its weight can be channels-last.
    """

    def __init__(self, features: int) -> None:
        super().__init__(3, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N,C,H,W) as (N,features·C,H,W), all channels of a feature together."""
        count, channels, height, width = x.shape
        neighbours = F.pad(x, (0, 0, 0, 0, 1, 1)).unfold(1, 3, 1).permute(0, 1, 4, 2, 3)
        lifted = super().forward(neighbours.reshape(count * channels, 3, height, width))
        return lifted.reshape(count, channels, -1, height, width).transpose(1, 2).reshape(count, -1, height, width)


class Pack(nn.Module):
    """Half the rows and columns: each 2x2 pixels become channels, are lifted and brought to `width` channels again."""

    def __init__(self, width: int, kernel: int, features: int, groups: int) -> None:
        super().__init__()
        self.lift = Lift(features)
        self.unit = Unit(4 * features * width, width, kernel, groups)

    def forward(self, x: Tensor) -> Tensor:
        """The map (N,width,H/2,W/2) of one of (N,width,H,W)."""
        result: Tensor = self.unit(self.lift(F.pixel_unshuffle(x, 2)))
        return result


class Unpack(nn.Module):
    """Twice the rows and columns: few channels are lifted, and each four become 2x2 pixels."""

    def __init__(self, inputs: int, outputs: int, features: int, groups: int) -> None:
        super().__init__()
        if 4 * outputs % features:
            raise InputError(f"features: {features} do not divide four times a width of {outputs}")
        self.unit = Unit(inputs, 4 * outputs // features, 3, groups)
        self.lift = Lift(features)

    def forward(self, x: Tensor) -> Tensor:
        """The map (N,outputs,2H,2W) of one of (N,inputs,H,W)."""
        return F.pixel_shuffle(self.lift(self.unit(x)), 2)
