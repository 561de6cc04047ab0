"""A network for every task with a value at each pixel."""

from dataclasses import dataclass

import torch
from torch import nn

from robustbench_seg import NETWORKS, TASKS
from robustbench_seg.models.blocks.heads import DenseHead
from robustbench_seg.models.networks.base import NetworkParameters


@NETWORKS.register("shallow")
@dataclass(frozen=True)
class ShallowParameters(NetworkParameters):
    """Two convolutions of `width` channels and a head per task."""

    width: int = 16

    def build(self, request):
        return Shallow(request, self.width)


class Shallow(nn.Module):
    """See `ShallowParameters`."""

    def __init__(self, request, width):
        super().__init__()
        tasks = [TASKS.get(name)() for name in request.tasks]
        self.heads = nn.ModuleDict({task.key: DenseHead(task, width, request.num_classes) for task in tasks})
        self.trunk = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
        )
        self.register_buffer("mean", torch.tensor(request.normalization.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(request.normalization.std).view(3, 1, 1))

    def forward(self, x):
        trunk = self.trunk((x - self.mean) / self.std)
        return {key: head(trunk, tuple(x.shape[-2:])) for key, head in self.heads.items()}
