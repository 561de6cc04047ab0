"""PackNet01-A (Guizilini 2019): depth by packing in place of strides and unpacking in place of upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.models.blocks.adaptive import Guidance
from robustbench_seg.models.blocks.depthnet import DepthNet, Stage
from robustbench_seg.models.blocks.heads import SCALES
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.models.blocks.packing import Lift, Pack, Residual, Unit, Unpack
from robustbench_seg.models.blocks.resize import padded
from robustbench_seg.models.networks.base import NetworkParameters, NetworkRequest, Width
from robustbench_seg.models.networks.build import GuideParameters

NEAREST = 0.5
"""Metres at an inverse depth's upper end; its lower end is 0."""


@dataclass(frozen=True)
class PackNetParameters(NetworkParameters):
    """PackNet01-A by `widths`, those of its encoder fine to coarse; the paper's by default.

    `blocks` are the residual blocks of each level but the first, `features` those of 3-D convolutions, `groups`
    GroupNorm's. `guide`, where there is one, guides the decoder.
    """

    widths: tuple[Width, ...] = (64, 64, 128, 256, 512)
    blocks: tuple[Width, ...] = (2, 2, 3, 3)
    features: Width = 8
    groups: Width = 16
    guide: GuideParameters | None = None

    def __post_init__(self) -> None:
        if len(self.widths) != 5 or len(self.blocks) != 4:
            raise ValueError(f"widths, blocks: must be 5 and 4, not {len(self.widths)} and {len(self.blocks)}")

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        encoder, decoder = PackEncoder(self, request.normalization), PackDecoder(self)
        initialise(encoder)
        initialise(decoder)
        guide = self.guide.build(request.num_classes) if self.guide else None
        return DepthNet(encoder, decoder, request, guide)


class PackEncoder(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to features at strides 1 to 32, which are the maps after each packing."""

    def __init__(self, parameters: PackNetParameters, normalization: Normalization) -> None:
        super().__init__()
        widths, features, groups = parameters.widths, parameters.features, parameters.groups
        self.normalize = Normalize(normalization)
        self.first = Unit(3, widths[0], 5, groups)
        residual = (
            nn.Sequential(*(Residual(fine if i == 0 else coarse, coarse, groups) for i in range(count)))
            for (fine, coarse), count in zip(pairwise(widths), parameters.blocks, strict=True)
        )
        self.levels = nn.ModuleList([Unit(widths[0], widths[0], 7, groups), *residual])
        kernels = (5, 3, 3, 3, 3)
        self.packs = nn.ModuleList(
            Pack(width, kernel, features, groups) for width, kernel in zip(widths, kernels, strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features, fine to coarse, of the padded image."""
        maps = [self.first(padded(self.normalize(images)))]
        for level, pack in zip(self.levels, self.packs, strict=True):
            maps.append(pack(level(maps[-1])))
        return maps


class PackDecoder(nn.Module):
    """Features at strides 1 to 32 to inverse depths; a stage unpacks, concatenates with features and convolves.

    The four finest stages predict inverse depth, and each but the first of them gets that of the stage before it too.
    What is guided is the last convolution of each stage.
    """

    def __init__(self, parameters: PackNetParameters) -> None:
        super().__init__()
        features, groups = parameters.features, parameters.groups
        widths = parameters.widths[::-1]
        skips = (*widths[1:], widths[-1])
        self.unpacks = nn.ModuleList(
            Unpack(before, width, features, groups) for before, width in zip((widths[0], *widths), widths, strict=False)
        )
        depths = [int(index > len(widths) - SCALES) for index in range(len(widths))]
        self.units = nn.ModuleList(
            Unit(width + skip + depth, width, 3, groups)
            for width, skip, depth in zip(widths, skips, depths, strict=True)
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths[-SCALES:])
        self.stages = tuple(Stage(2 ** (len(widths) - 1 - index), width) for index, width in enumerate(widths))

    def forward(self, features: Sequence[Tensor], guidance: Sequence[Guidance]) -> list[Tensor]:
        """Inverse depths (N,1,h,w) in 1/m, fine to coarse, of features given fine to coarse."""
        x = features[-1]
        inverses: list[Tensor] = []
        for index, (unpack, unit) in enumerate(zip(self.unpacks, self.units, strict=True)):
            before = [F.interpolate(inverse, scale_factor=2.0, mode="nearest") for inverse in inverses[-1:]]
            x = torch.cat([unpack(x), features[-2 - index], *before], 1)
            x = unit(x, guidance[index] if guidance else None)
            head = index - len(self.units) + SCALES
            if head >= 0:
                inverses.append(self.heads[head](x).sigmoid() / NEAREST)
        return inverses[::-1]


def initialise(network: nn.Module) -> None:
    """Xavier's uniform weights (Glorot 2010) and no biases."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            # Of as many inputs and outputs as the 3-D convolution that it is.
            nn.init.xavier_uniform_(part.weight.unsqueeze(1) if isinstance(part, Lift) else part.weight)
            assert part.bias is not None
            nn.init.zeros_(part.bias)
