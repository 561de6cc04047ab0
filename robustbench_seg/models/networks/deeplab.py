"""A DeepLab v3 head per task on one encoder: DenseMTL 2023's multi-task baseline, and its single-task networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from robustbench_seg.models.blocks.aspp import Dilations, aspp
from robustbench_seg.models.blocks.deephead import chosen_tasks, finished, predictor
from robustbench_seg.models.networks.base import EncoderParameters, NetworkRequest, Width
from robustbench_seg.tasks.dense import DenseTask


@dataclass(frozen=True)
class DeepLabParameters(EncoderParameters):
    """`width` of the heads, which use the encoder's last level alone, and the `dilations` of their ASPP."""

    encoder: str = "resnet101"
    encoder_args: dict[str, Any] = field(default_factory=lambda: {"output_stride": 16})
    width: Width = 256
    dilations: Dilations = (12, 24, 36)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return DeepLab(self, request)


class DeepLab(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size."""

    def __init__(self, parameters: DeepLabParameters, request: NetworkRequest) -> None:
        super().__init__()
        self.tasks = chosen_tasks(request.tasks)
        self.encoder = parameters.image_encoder(request)

        def head(task: DenseTask) -> nn.Module:
            width = parameters.width
            pyramid = aspp(self.encoder.channels[-1], width, parameters.dilations)
            return nn.Sequential(
                pyramid, Conv2dNormActivation(width, width, 3), predictor(width, task, request.num_classes)
            )

        self.heads = nn.ModuleDict({name: head(task) for name, task in self.tasks.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task."""
        last = self.encoder(images)[-1]
        return finished(self.tasks, {task: head(last) for task, head in self.heads.items()}, images)
