"""A network for the camera's motion, as depth learnt from video needs one."""

from dataclasses import dataclass

import torch
from torch import nn

from robustbench_seg import POSE_NETWORKS
from robustbench_seg.models.blocks.pose import PoseNetwork, PoseParameters


@POSE_NETWORKS.register("mean_motion")
@dataclass(frozen=True)
class MeanMotionParameters(PoseParameters):
    """One convolution of two frames, averaged over the image; motions are `scale` of it."""

    scale: float = 0.01

    def build(self, normalization):
        return MeanMotion(self.scale)


class MeanMotion(PoseNetwork):
    """See `MeanMotionParameters`."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, before, now, after):
        return self.motion(before, now), self.motion(now, after)

    def motion(self, first, second):
        return self.scale * self.conv(torch.cat([first, second], 1)).mean((2, 3))
