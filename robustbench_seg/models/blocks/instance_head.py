"""The instance head of UniNet 2021 (figure 2a): FCOS with mask codes and median depth at every location."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.strict import Range
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.locations import Level, Locations
from robustbench_seg.tasks.instances.masks import SIDE, MaskBasis

INSTANCE_TASKS = ("detection", "instance", "instance_depth")
TYPICAL_DEPTH = 20.0
"""Metres; what the depth branch gives before it has learnt."""


@dataclass(frozen=True)
class InstanceParameters:
    """`width` of pyramid and towers, `convs` in a tower, `codes` of a mask.

    `limits` px between the levels' ranges of box sides, at the image size trained on: FCOS has 64 and 128 at 512x1024.
    """

    width: Annotated[int, Range(8, 65_536)] = 256
    convs: Annotated[int, Range(1, 64)] = 4
    codes: Annotated[int, Range(1, SIDE * SIDE)] = 60
    limits: tuple[float, ...] = (64.0, 128.0)


class Tower(nn.Sequential):
    """3x3 convolutions, each with GroupNorm and ReLU."""

    def __init__(self, width: int, convs: int) -> None:
        # 32 groups at the paper's 256 channels.
        layers = [
            (nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(width // 8, width), nn.ReLU(inplace=True))
            for _ in range(convs)
        ]
        super().__init__(*[layer for group in layers for layer in group])


class InstanceHead(nn.Module):
    """Three encoder levels to a `DenseInstances`; centerness, depth and mask codes share the box tower."""

    LEVELS = 3
    mean: Tensor
    components: Tensor

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        parameters: InstanceParameters,
        tasks: Sequence[str],
        num_classes: int,
    ) -> None:
        """`channels` and `strides` of the three levels, fine to coarse."""
        super().__init__()
        if "detection" not in tasks:
            raise InputError(f"{tasks[0]} needs detection beside it; add detection to the tasks")
        if len(channels) != self.LEVELS or len(parameters.limits) != self.LEVELS - 1 or parameters.width % 8:
            raise InputError("the instance head needs three levels, two limits and a width that is a multiple of 8")
        width = parameters.width
        self.strides = tuple(strides)
        self.limits = (0.0, *parameters.limits, math.inf)
        self.pyramid = FeaturePyramidNetwork(list(channels), width)
        self.class_tower, self.box_tower = Tower(width, parameters.convs), Tower(width, parameters.convs)
        self.classes, self.boxes, self.centerness = _last(width, num_classes), _last(width, 4), _last(width, 1)
        self.scales = nn.Parameter(torch.ones(self.LEVELS))
        self.depth = _last(width, 1) if "instance_depth" in tasks else None
        self.codes = _last(width, parameters.codes) if "instance" in tasks else None
        if self.codes is not None:
            self.register_buffer("mean", torch.zeros(SIDE * SIDE))
            self.register_buffer("components", torch.zeros(parameters.codes, SIDE * SIDE))
        # One location in a hundred is an object (RetinaNet); depth starts where the ReLU is alive.
        nn.init.constant_(self.classes.bias, -math.log(99))  # type: ignore[arg-type]
        if self.depth is not None:
            nn.init.constant_(self.depth.bias, 1.0)  # type: ignore[arg-type]

    def set_basis(self, basis: MaskBasis) -> None:
        """Takes over the principal components that masks are coded in."""
        self.mean.copy_(basis.mean)
        self.components.copy_(basis.components)

    def forward(self, features: Sequence[Tensor], size: tuple[int, int]) -> DenseInstances:
        """Predictions for images of `size` (H,W), of features fine to coarse."""
        maps = self.pyramid({str(i): x for i, x in enumerate(features)}).values()
        classes, boxes, centerness, depth, codes = [], [], [], [], []
        ranges = zip(self.strides, self.limits, self.limits[1:], strict=False)
        levels = [Level(x.shape[-2], x.shape[-1], *given) for x, given in zip(maps, ranges, strict=True)]
        locations = Locations.of(levels, features[0].device)
        for level, x in enumerate(maps):
            box = self.box_tower(x)
            classes.append(_flat(self.classes(self.class_tower(x))))
            # exp of a value that grows beyond a box's plausible size would overflow in half precision.
            boxes.append((_flat(self.boxes(box)) * self.scales[level]).clamp(max=8).exp() * self.strides[level])
            centerness.append(_flat(self.centerness(box)))
            if self.depth is not None:
                depth.append(_flat(self.depth(box)).relu() * TYPICAL_DEPTH)
            if self.codes is not None:
                codes.append(_flat(self.codes(box)))
        sides = torch.cat(boxes, 1)
        points = locations.points
        return DenseInstances(
            torch.cat(classes, 1),
            torch.cat([points - sides[..., :2], points + sides[..., 2:]], 2),
            torch.cat(centerness, 1)[..., 0],
            locations,
            size,
            torch.cat(codes, 1) if codes else None,
            MaskBasis(self.mean, self.components) if codes else None,
            torch.cat(depth, 1)[..., 0] if depth else None,
        )


def instance_head(
    encoder: Encoder, parameters: InstanceParameters, tasks: Sequence[str], num_classes: int
) -> InstanceHead | None:
    """The head on the encoder's second to fourth level for those of `tasks` it serves; None where it serves none."""
    served = [task for task in tasks if task in INSTANCE_TASKS]
    if not served:
        return None
    return InstanceHead(encoder.channels[1:4], encoder.reductions[1:4], parameters, served, num_classes)


def _last(width: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(width, outputs, 3, padding=1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def _flat(x: Tensor) -> Tensor:
    """(N,K,h,w) to (N,hw,K)."""
    return x.flatten(2).transpose(1, 2)
