"""MTI-Net (Vandenhende 2020): tasks interact at every scale; with an instance head, UniNet 2021's MTI-Net++."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock
from torchvision.ops import SqueezeExcitation

from robustbench_seg.models.blocks.deephead import (
    DEEP,
    chosen_tasks,
    coarse,
    finished,
    light_heads,
    predictor,
    with_auxiliary,
)
from robustbench_seg.models.blocks.exchange import make_exchange
from robustbench_seg.models.blocks.instance_head import INSTANCE_TASKS, InstanceParameters, instance_head
from robustbench_seg.models.blocks.resize import resize
from robustbench_seg.models.networks.base import EncoderParameters, NetworkRequest, Skipped, Width
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.instances.task import InstancesTask

TaskMaps = dict[str, Tensor]
Exchange = Callable[[Sequence[str], Sequence[str], int], nn.Module]
"""A fresh block for targets, sources and a width."""


class InitialTasks(nn.Module):
    """A scale's first guess: two residual blocks per task."""

    def __init__(self, inputs: int, width: int, tasks: Sequence[str]) -> None:
        super().__init__()
        self.refine = nn.ModuleDict(
            {task: nn.Sequential(residual_block(inputs, width), residual_block(width, width)) for task in tasks}
        )

    def forward(self, level: Tensor, propagated: Mapping[str, Tensor] | None) -> TaskMaps:
        """A map (N,width,h,w) per task, of the encoder's level and what the next coarser scale passes to it."""
        return {task: refine(_joined(level, propagated, task)) for task, refine in self.refine.items()}


class FeaturePropagation(nn.Module):
    """What a scale passes to the next finer one (MTI-Net, section 3.3).

    The tasks' maps are mixed; a softmax over tasks weighs them into a shared map; each task takes its channels of
    that by squeeze-and-excitation and adds its own map.
    """

    def __init__(self, width: int, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks, total = tuple(tasks), width * len(tasks)
        inner = max(4, total // 4)
        self.mix = nn.Sequential(residual_block(total, inner), residual_block(inner, inner), nn.Conv2d(inner, total, 1))
        self.reduce = residual_block(total, width)
        # The reduction by 16 of Hu 2018.
        self.excite = nn.ModuleDict({task: SqueezeExcitation(width, max(4, width // 16)) for task in tasks})

    def forward(self, maps: Mapping[str, Tensor]) -> TaskMaps:
        """A map (N,width,h,w) per task."""
        stacked = torch.cat([maps[task] for task in self.tasks], 1)
        weights = self.mix(stacked).unflatten(1, (len(self.tasks), -1)).softmax(1).flatten(1, 2)
        shared = self.reduce(weights * stacked)
        return {task: excite(shared) + maps[task] for task, excite in self.excite.items()}


def residual_block(inputs: int, width: int) -> nn.Module:
    """ResNet's basic block, its shortcut projected where the number of channels changes."""
    same = inputs == width
    shortcut = None if same else nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))
    block: nn.Module = BasicBlock(inputs, width, downsample=shortcut)
    return block


class ScaleMaps(NamedTuple):
    """Of a scale: `first` raw predictions (while training), `distilled` maps, and those `propagated` to the next."""

    first: TaskMaps
    distilled: TaskMaps
    propagated: TaskMaps | None


class Scale(nn.Module):
    """One scale: initial tasks, predicted for deep supervision; distillation; propagation unless it is the finest."""

    def __init__(
        self,
        inputs: int,
        width: int,
        tasks: Sequence[str],
        sources: Mapping[str, DenseTask],
        num_classes: int,
        finest: bool,
        exchange: Exchange,
    ) -> None:
        super().__init__()
        names = tuple(sources)
        self.initial = InitialTasks(inputs, width, names)
        self.predict = nn.ModuleDict({name: predictor(width, task, num_classes) for name, task in sources.items()})
        self.distil = exchange(tasks, names, width)
        self.propagate = None if finest else FeaturePropagation(width, names)

    def forward(self, level: Tensor, propagated: Mapping[str, Tensor] | None) -> ScaleMaps:
        """What the scale makes of the encoder's level and the maps of the next coarser scale."""
        maps = self.initial(level, propagated)
        return ScaleMaps(
            {task: predict(maps[task]) for task, predict in self.predict.items()} if self.training else {},
            self.distil(maps),
            self.propagate(maps) if self.propagate is not None else None,
        )


@dataclass(frozen=True)
class MTINetParameters(EncoderParameters):
    """`widths` of the scales, fine to coarse, and `head` of the heads.

    As many scales as encoder levels but the `skip_finest` finest. The paper gives no widths: the default ones come near
    its parameters and multiplications (53 M, 235 G without auxiliary tasks). `auxiliary` tasks are predicted first, to
    help the others, and not at the end. The paper's `exchange` (see `blocks.exchange`) is gated, at every scale.
    """

    widths: tuple[Width, ...] = (128, 256, 256, 256)
    head: Width = 256
    skip_finest: Skipped = 1
    auxiliary: tuple[str, ...] = ()
    exchange: str = "gated"
    exchange_args: dict[str, Any] = field(default_factory=dict)
    instances: InstanceParameters = field(default_factory=InstanceParameters)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return MTINet(self, request)


class MTINet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    `instances` is a `DenseInstances`, there where instance tasks are asked for. While training, `deep` has per scale,
    fine to coarse, a dict of all tasks and auxiliary ones at its resolution.
    """

    def __init__(self, parameters: MTINetParameters, request: NetworkRequest) -> None:
        super().__init__()
        widths, num_classes = parameters.widths, request.num_classes
        dense = chosen_tasks(request.tasks, INSTANCE_TASKS)
        self.tasks = sources = with_auxiliary(dense, parameters.auxiliary)
        self.encoder = parameters.image_encoder(request, parameters.skip_finest)
        propagated = (*widths[1:], 0)
        exchange = partial(make_exchange, parameters.exchange, parameters.exchange_args)
        self.scales = nn.ModuleList(
            Scale(c + p, w, tuple(dense), sources, num_classes, i == 0, exchange)
            for i, (c, p, w) in enumerate(zip(self.encoder.channels, propagated, widths, strict=True))
        )
        self.heads = light_heads(dense, widths, parameters.head, num_classes)
        self.instances = instance_head(self.encoder, parameters.instances, request.tasks, num_classes)

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output per key."""
        features = self.encoder(images)
        scales = self._scales(features)
        raw = {task: head([maps.distilled[task] for maps in scales]) for task, head in self.heads.items()}
        outputs: dict[str, Any] = dict(finished(self.tasks, raw, images))
        if self.instances is not None:
            outputs[InstancesTask.key] = self.instances(features[1:4], (images.shape[-2], images.shape[-1]))
        if self.training:
            outputs[DEEP] = tuple(coarse(self.tasks, maps.first, images) for maps in scales)
        return outputs

    def _scales(self, features: Sequence[Tensor]) -> list[ScaleMaps]:
        """The scales' maps, fine to coarse; made coarse to fine."""
        maps: list[ScaleMaps] = []
        for scale, level in zip(list(self.scales)[::-1], features[::-1], strict=True):
            maps.insert(0, scale(level, maps[0].propagated if maps else None))
        return maps


def _joined(level: Tensor, propagated: Mapping[str, Tensor] | None, task: str) -> Tensor:
    return level if propagated is None else torch.cat([level, resize(propagated[task], level.shape[-2:])], 1)
