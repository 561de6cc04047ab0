"""UniNet 2021 (section 3): one encoder, one decoder shared by the pixel tasks, and an instance head on the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from timm.models.vovnet import OsaStage
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from robustbench_seg.models.blocks.bottleneck import Bottleneck
from robustbench_seg.models.blocks.deephead import chosen_tasks
from robustbench_seg.models.blocks.instance_head import INSTANCE_TASKS, InstanceParameters, instance_head
from robustbench_seg.models.blocks.resize import padded_size, resize
from robustbench_seg.models.networks.base import EncoderParameters, NetworkRequest, Skipped, Width
from robustbench_seg.strict import Range
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.instances.task import InstancesTask


@dataclass(frozen=True)
class DecoderParameters:
    """`width` of the decoder, `bottleneck` of its residual blocks, `head` channels per level in the pixel heads.

    `extra` stages of `extra_width` go beyond the encoder, each at half the size of the one before; `skip_finest`
    encoder levels are not used (1: the decoder ends at /4).
    """

    width: Width = 256
    bottleneck: Width = 64
    head: Width = 64
    extra: Annotated[int, Range(0, 8)] = 2
    extra_width: Width = 80
    skip_finest: Skipped = 1


@dataclass(frozen=True)
class UniNetParameters(EncoderParameters):
    """The shared decoder's sizes and the instance head's; the paper's are the default."""

    decoder: DecoderParameters = field(default_factory=DecoderParameters)
    instances: InstanceParameters = field(default_factory=InstanceParameters)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return UniNet(self, request)


class ExtraStages(nn.ModuleList):
    """Levels beyond the encoder's: one-shot aggregation with squeeze-and-excitation (VoVNet, Lee 2019)."""

    def __init__(self, inputs: int, width: int, count: int) -> None:
        inner = max(8, width * 4 // 5)
        super().__init__(OsaStage(i, inner, width, 1, 3) for i in [inputs, *[width] * count][:count])

    def forward(self, x: Tensor) -> list[Tensor]:
        """One level per stage, each at half the size of the one before."""
        levels = [x]
        for stage in self:
            x = levels[-1]
            # A stage can halve no single row or column.
            fill = (0, int(x.shape[-1] == 1), 0, int(x.shape[-2] == 1))
            levels.append(stage(F.pad(x, fill, mode="replicate") if any(fill) else x))
        return levels[1:]


class SharedDecoder(nn.Module):
    """Coarse to fine: upsample, concatenate with the encoder's level, one residual block."""

    def __init__(self, channels: Sequence[int], width: int, inner: int) -> None:
        super().__init__()
        before = [channels[-1], *[width] * (len(channels) - 2)]
        pairs = zip(before, reversed(channels[:-1]), strict=True)
        self.blocks = nn.ModuleList(Bottleneck(b + c, width, inner) for b, c in pairs)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N,width,...) fine to coarse, one less than `features`."""
        maps = [features[-1]]
        for block, skip in zip(self.blocks, reversed(features[:-1]), strict=True):
            maps.insert(0, block(torch.cat([resize(maps[0], skip.shape[-2:]), skip], 1)))
        return maps[:-1]


class PixelHead(nn.Module):
    """All decoder levels reduced, brought to the finest, fused, upsampled to the image; the last convolution there."""

    def __init__(self, levels: int, width: int, head: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(Conv2dNormActivation(width, head, 1) for _ in range(levels))
        self.fuse = Conv2dNormActivation(levels * head, head, 1)
        self.last = nn.Conv2d(head, outputs, kernel, padding=kernel // 2)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Values (N,outputs,*size)."""
        finest = maps[0].shape[-2:]
        reduced = [resize(reduce(x), finest) for reduce, x in zip(self.reduce, maps, strict=True)]
        values: Tensor = self.last(resize(self.fuse(torch.cat(reduced, 1)), size))
        return values


class UniNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to outputs of the tasks asked for.

    Dense tasks share the decoder; `instances` is a `DenseInstances` of what the tasks on instances need.
    """

    def __init__(self, parameters: UniNetParameters, request: NetworkRequest) -> None:
        super().__init__()
        chosen, num_classes = parameters.decoder, request.num_classes
        self.encoder = parameters.image_encoder(request, chosen.skip_finest)
        channels = (*self.encoder.channels, *[chosen.extra_width] * chosen.extra)
        levels = len(channels) - 1
        self.tasks = chosen_tasks(request.tasks, INSTANCE_TASKS)
        pixel = {
            name: PixelHead(levels, chosen.width, chosen.head, task.channels(num_classes), _kernel(task))
            for name, task in self.tasks.items()
        }
        # Instances are found in the encoder's levels: without a pixel task nothing looks further.
        self.extra = ExtraStages(self.encoder.channels[-1], chosen.extra_width, chosen.extra if pixel else 0)
        self.decoder = SharedDecoder(channels, chosen.width, chosen.bottleneck) if pixel else None
        self.heads = nn.ModuleDict(pixel)
        self.instances = instance_head(self.encoder, parameters.instances, request.tasks, num_classes)

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output per key."""
        height, width = images.shape[-2:]
        features = self.encoder(images)
        features += self.extra(features[-1])
        outputs: dict[str, Any] = {}
        if self.decoder is not None:
            maps, size = self.decoder(features), padded_size(images)
            raw = {task: head(maps, size)[..., :height, :width] for task, head in self.heads.items()}
            outputs = {name: self.tasks[name].activate(values) for name, values in raw.items()}
        if self.instances is not None:
            outputs[InstancesTask.key] = self.instances(features[1:4], (height, width))
        return outputs


def _kernel(task: DenseTask) -> int:
    """The kernel of the last convolution: 1 where it predicts classes, else 3 (UniNet 2021, figure 2)."""
    return 1 if task.has_classes else 3
