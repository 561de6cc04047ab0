"""The multi-task baseline: a shared encoder and one light head per task; with one task, the single-task network.

By the parameters that UniNet 2021 prints, its heads are DeepLab's on the last level alone. At /32 a small image has
next to nothing left; the head here uses all levels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustbench_seg.models.blocks.deephead import chosen_tasks, finished, light_heads
from robustbench_seg.models.networks.base import LightParameters, NetworkRequest


@dataclass(frozen=True)
class MTLParameters(LightParameters):
    """A light head per task on one encoder."""

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return MTLNet(self, request)


class MTLNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size."""

    def __init__(self, parameters: MTLParameters, request: NetworkRequest) -> None:
        super().__init__()
        self.encoder = parameters.image_encoder(request, parameters.skip_finest)
        self.tasks = chosen_tasks(request.tasks)
        self.heads = light_heads(self.tasks, self.encoder.channels, parameters.width, request.num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task."""
        features = self.encoder(images)
        raw = {task: head(features) for task, head in self.heads.items()}
        return finished(self.tasks, raw, images)
