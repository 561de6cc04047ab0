"""UniNet 2021 (section 3): one encoder, one decoder shared by the pixel tasks, and an instance head on the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vovnet import OsaStage
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.fpn import ConvBNReLU
from robustbench_seg.models.blocks.instance_head import INSTANCE_TASKS, InstanceHead, InstanceParameters
from robustbench_seg.models.blocks.multitask import padded
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.models.blocks.resize import resize
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.registry import dense_tasks


@dataclass(frozen=True)
class DecoderParameters:
    """`width` of the decoder, `bottleneck` of its residual blocks, `head` channels a level in the pixel heads.

    `extra` stages of `extra_width` go beyond the encoder, each at half the size of the one before; `skip_finest`
    encoder levels are left out (1: the decoder ends at /4).
    """

    width: int = 256
    bottleneck: int = 64
    head: int = 64
    extra: int = 2
    extra_width: int = 80
    skip_finest: int = 1


class ExtraStages(nn.ModuleList):
    """Levels beyond the encoder's: one-shot aggregation with squeeze-and-excitation (VoVNet, Lee 2019)."""

    def __init__(self, inputs: int, width: int, count: int) -> None:
        inner = max(8, width * 4 // 5)
        super().__init__(OsaStage(i, inner, width, 1, 3) for i in [inputs, *[width] * count][:count])

    def forward(self, x: Tensor) -> list[Tensor]:
        """A level a stage, each at half the size of the one before."""
        levels = [x]
        for stage in self:
            levels.append(stage(levels[-1]))
        return levels[1:]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions with a residual connection, as in ResNet-50."""

    def __init__(self, inputs: int, width: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvBNReLU(inputs, inner, 1),
            ConvBNReLU(inner, inner, 3),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.skip = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """The map (N,width,h,w)."""
        return F.relu(self.body(x) + self.skip(x))


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
        self.reduce = nn.ModuleList(ConvBNReLU(width, head, 1) for _ in range(levels))
        self.fuse = ConvBNReLU(levels * head, head, 1)
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

    def __init__(
        self,
        encoder: Encoder,
        parameters: DecoderParameters,
        instances: InstanceParameters,
        tasks: Sequence[str],
        num_classes: int,
        normalization: Normalization,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(normalization)
        self.encoder = encoder
        self.skip_finest = parameters.skip_finest
        own = encoder.channels[parameters.skip_finest :]
        channels, width = (*own, *[parameters.extra_width] * parameters.extra), parameters.width
        levels = len(channels) - 1
        dense = dense_tasks()
        self.tasks = {name: dense[name] for name in tasks if name in dense}
        pixel = {
            name: PixelHead(levels, width, parameters.head, task.channels(num_classes), _kernel(task))
            for name, task in self.tasks.items()
        }
        # Instances are found in the encoder's levels: without a pixel task nothing looks further.
        self.extra = ExtraStages(own[-1], parameters.extra_width, parameters.extra if pixel else 0)
        self.decoder = SharedDecoder(channels, width, parameters.bottleneck) if pixel else None
        self.heads = nn.ModuleDict(pixel)
        found = [task for task in tasks if task in INSTANCE_TASKS]
        unknown = [task for task in tasks if task not in (*dense, *INSTANCE_TASKS)]
        if unknown:
            known = ", ".join((*dense, *INSTANCE_TASKS))
            raise InputError(f"no head for task {unknown[0]!r}; the network's tasks are {known}")
        reductions = encoder.reductions[parameters.skip_finest :]
        self.instances = InstanceHead(own[1:4], reductions[1:4], instances, found, num_classes) if found else None

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output a key."""
        height, width = images.shape[-2:]
        x = padded(self.normalize(images))
        features = self.encoder(x)[self.skip_finest :]
        features += self.extra(features[-1])
        outputs: dict[str, Any] = {}
        if self.decoder is not None:
            maps = self.decoder(features)
            size = (x.shape[-2], x.shape[-1])
            raw = {task: head(maps, size)[..., :height, :width] for task, head in self.heads.items()}
            outputs = {name: self.tasks[name].activate(values) for name, values in raw.items()}
        if self.instances is not None:
            outputs["instances"] = self.instances(features[1:4], (height, width))
        return outputs


def _kernel(task: DenseTask) -> int:
    """The kernel of the last convolution: 1 where it predicts classes, else 3 (UniNet 2021, figure 2)."""
    return 1 if task.has_classes else 3
