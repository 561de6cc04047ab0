"""Pose networks of self-supervised depth: two frames to a rigid motion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.strict import Range

_SCALE = 0.01
"""Keeps the first motions small, so that the first warps stay near the identity."""


class PoseParameters(ABC):
    """Base of the dataclasses whose fields are a pose network's parameters; `POSE_NETWORKS.register(name)` adds one."""

    @abstractmethod
    def build(self, normalization: Normalization) -> nn.Module:
        """The network with fresh weights, which maps two batches of images as `PoseNet` does."""


@dataclass(frozen=True)
class ResNetPoseParameters(PoseParameters):
    """The pose network of Klingner 2020 (monodepth2's); `width` is that of the convolutions after the encoder."""

    encoder: str = "resnet18"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    width: Annotated[int, Range(1, 65_536)] = 256

    def build(self, normalization: Normalization) -> nn.Module:
        """The network of these parameters."""
        return PoseNet(self.encoder, self.encoder_args, normalization, self.width)


class PoseNet(nn.Module):
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

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Motions (N,6) from images (N,3,H,W) in [0,1] in their order in time: axis-angle (radians), translation.

        They move points from the first camera's frame into the second's; lengths are in units of the depth.
        """
        pair = torch.cat([self.normalize(first), self.normalize(second)], 1)
        motion: Tensor = self.head(self.encoder(pair)[-1]).mean((2, 3))
        return _SCALE * motion
