"""Pose networks of self-supervised depth: frames to the camera's rigid motion between them."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.strict import Range

Width = Annotated[int, Range(1, 65_536)]
_SCALE = 0.01
"""Keeps the first motions small, so that the first warps stay near the identity."""


class PoseParameters(ABC):
    """Base of the dataclasses whose fields are a pose network's parameters; `POSE_NETWORKS.register(name)` adds one."""

    @abstractmethod
    def build(self, normalization: Normalization) -> nn.Module:
        """The network with fresh weights, see `PoseNetwork`."""


class PoseNetwork(nn.Module, ABC):
    """Three frames to the motions between them.

    A motion (N,6) is an axis-angle (radians) and a translation; it moves points from the first camera's frame into the
    second's, and lengths are in units of the depth.
    """

    @abstractmethod
    def forward(self, before: Tensor, now: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """The motions from the previous frame and to the next one, of images (N,3,H,W) in [0,1]."""


@dataclass(frozen=True)
class ResNetPoseParameters(PoseParameters):
    """The pose network of Klingner 2020 (monodepth2's); `width` is that of the convolutions after the encoder."""

    encoder: str = "resnet18"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    width: Width = 256

    def build(self, normalization: Normalization) -> nn.Module:
        """The network of these parameters."""
        return PoseNet(self.encoder, self.encoder_args, normalization, self.width)


class PoseNet(PoseNetwork):
    """A ResNet on six channels, a squeeze, two 3x3 convolutions and a 1x1 one, averaged over the image."""

    def __init__(self, encoder: str, args: Mapping[str, Any], normalization: Normalization, width: int = 256) -> None:
        """`width` of the convolutions after the encoder; the paper's is 256."""
        super().__init__()
        self.normalize = Normalize(normalization)
        self.encoder = Encoder(encoder, args, in_channels=6)
        self.head = nn.Sequential(
            nn.Conv2d(self.encoder.channels[-1], width, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 6, 1),
        )

    def forward(self, before: Tensor, now: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """See `PoseNetwork`; both pairs are in their order in time."""
        since, until = self.motion(torch.cat([before, now]), torch.cat([now, after])).chunk(2)
        return since, until

    def motion(self, first: Tensor, second: Tensor) -> Tensor:
        """The motion (N,6) from the first images (N,3,H,W) to the second ones."""
        pair = torch.cat([self.normalize(first), self.normalize(second)], 1)
        motion: Tensor = self.head(self.encoder(pair)[-1]).mean((2, 3))
        return _SCALE * motion


@dataclass(frozen=True)
class ConvPoseParameters(PoseParameters):
    """The pose network of PackNet (Guizilini 2020), by the `widths` of its convolutions, each of which halves the map.

    `groups` are GroupNorm's.
    """

    widths: tuple[Width, ...] = (16, 32, 64, 128, 256, 256, 256)
    groups: Width = 16

    def build(self, normalization: Normalization) -> nn.Module:
        """The network of these parameters."""
        if not self.widths:
            raise InputError("widths: give at least one")
        return ConvPoseNet(self, normalization)


class ConvPoseNet(PoseNetwork):
    """Convolutions of all three frames at once, each with GroupNorm and ReLU, a 1x1 one, averaged over the image.

    The first kernel is 7x7, the second 5x5, others 3x3.
    """

    def __init__(self, parameters: ConvPoseParameters, normalization: Normalization) -> None:
        super().__init__()
        self.normalize = Normalize(normalization)
        widths = (9, *parameters.widths)
        kernels = itertools.chain((7, 5), itertools.repeat(3))
        layers: list[nn.Module] = []
        for (inputs, outputs), kernel in zip(itertools.pairwise(widths), kernels, strict=False):
            convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2)
            layers += [convolution, nn.GroupNorm(parameters.groups, outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 12, 1))

    def forward(self, before: Tensor, now: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """See `PoseNetwork`."""
        motions: Tensor = self.layers(torch.cat([self.normalize(frame) for frame in (before, now, after)], 1))
        since, until = (_SCALE * motions.mean((2, 3))).chunk(2, 1)
        return since, until
