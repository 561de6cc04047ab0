"""Frames of level ground, some with a block on it, and a network whose depth has a hole wherever it sees a block."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from robustbench_seg import DATASETS, NETWORKS
from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.models.networks.base import NetworkParameters

FOCAL, CENTRE, HEIGHT, SKY = 40.0, 31.5, 1.7, 100.0
"""Of the camera, in pixels and metres; what is above the horizon is as far as the sky."""
BLOCK = np.s_[40:48, 20:30]


def ground(size: int = 64) -> np.ndarray:
    """The depth (H,W) of level ground, in metres."""
    rows = np.arange(size)[:, None] - CENTRE
    return np.broadcast_to(np.where(rows > 0, HEIGHT * FOCAL / np.maximum(rows, 0.5), SKY), (size, size))


class Blocks(Dataset):
    """Six frames of 64x64 a split; those of odd numbers have a white block on the ground."""

    name = "blocks"
    classes = CITYSCAPES19
    tasks = ("depth",)

    def __init__(self, split="val"):
        self.split = split
        self.ids = [f"{split}-{i}" for i in range(6)]
        self.groups = self.ids

    def __getitem__(self, index):
        return self._frame(index, 0)

    def neighbours(self, index):
        """The frames before and after."""
        return self._frame(index, -1), self._frame(index, 1)

    def _frame(self, index, offset):
        row = 120 + 80 * np.sin((np.arange(64) + 2 * offset) / (2.0 + index))
        image = np.repeat(np.repeat(row[None, :, None], 64, 0), 3, 2).astype(np.uint8)
        if index % 2:
            image[BLOCK] = 255
        camera = {"intrinsics": np.array([[FOCAL, 0, CENTRE], [0, FOCAL, CENTRE], [0, 0, 1]], np.float32)}
        return Sample(self.ids[index], image, {"depth": ground().astype(np.float32)}, camera)

    def fingerprint(self):
        """A constant: the frames are a function of the split."""
        return f"blocks {self.split}"


DATASETS.register("blocks", "level ground with blocks on it")(Blocks)


@NETWORKS.register("infinite")
@dataclass(frozen=True)
class InfiniteParameters(NetworkParameters):
    """The ground times what is learnt, `times` as far where the image is white."""

    times: float = 3.0

    def build(self, request):
        return Infinite(self.times)


class Infinite(nn.Module):
    """See `InfiniteParameters`."""

    def __init__(self, times):
        super().__init__()
        self.times = times
        self.scale = nn.Parameter(torch.rand(()))
        self.register_buffer("ground", torch.from_numpy(ground().astype(np.float32)))

    def forward(self, x):
        white = (x.mean(1) > 0.95).float()
        return {"depth": self.ground * self.scale.exp() * (1 + (self.times - 1) * white)}
