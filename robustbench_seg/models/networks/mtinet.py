"""MTI-Net (Vandenhende 2020): tasks interact at every scale; with an instance head, UniNet 2021's MTI-Net++."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from robustbench_seg.models.blocks.attention import Distillation, residual_block, squeeze_excitation
from robustbench_seg.models.blocks.deephead import (
    LightHead,
    chosen_tasks,
    coarse,
    finished,
    instance_tasks,
    predictor,
    with_auxiliary,
)
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.instance_head import INSTANCE_TASKS, InstanceHead, InstanceParameters
from robustbench_seg.models.blocks.multitask import padded
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.models.blocks.resize import resize
from robustbench_seg.tasks.dense import DenseTask

TaskMaps = dict[str, Tensor]


class InitialTasks(nn.Module):
    """A scale's first guess: two residual blocks a task."""

    def __init__(self, inputs: int, width: int, tasks: Sequence[str]) -> None:
        super().__init__()
        self.refine = nn.ModuleDict(
            {task: nn.Sequential(residual_block(inputs, width), residual_block(width, width)) for task in tasks}
        )

    def forward(self, level: Tensor, propagated: Mapping[str, Tensor] | None) -> TaskMaps:
        """A map (N,width,h,w) a task, of the encoder's level and what the next coarser scale hands on."""
        return {task: refine(_joined(level, propagated, task)) for task, refine in self.refine.items()}


class FeaturePropagation(nn.Module):
    """What a scale hands on to the next finer one (MTI-Net, section 3.3).

    The tasks' maps are mixed; a softmax over tasks weighs them into a shared map; each task takes its channels of
    that by squeeze-and-excitation and adds its own map.
    """

    def __init__(self, width: int, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks, total = tuple(tasks), width * len(tasks)
        inner = max(4, total // 4)
        self.mix = nn.Sequential(residual_block(total, inner), residual_block(inner, inner), nn.Conv2d(inner, total, 1))
        self.reduce = residual_block(total, width)
        self.excite = nn.ModuleDict({task: squeeze_excitation(width) for task in tasks})

    def forward(self, maps: Mapping[str, Tensor]) -> TaskMaps:
        """A map (N,width,h,w) a task."""
        stacked = torch.cat([maps[task] for task in self.tasks], 1)
        weights = self.mix(stacked).unflatten(1, (len(self.tasks), -1)).softmax(1).flatten(1, 2)
        shared = self.reduce(weights * stacked)
        return {task: excite(shared) + maps[task] for task, excite in self.excite.items()}


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
    ) -> None:
        super().__init__()
        names = tuple(sources)
        self.initial = InitialTasks(inputs, width, names)
        self.predict = nn.ModuleDict({name: predictor(width, task, num_classes) for name, task in sources.items()})
        self.distil = Distillation(tasks, names, width)
        self.propagate = None if finest else FeaturePropagation(width, names)

    def forward(self, level: Tensor, propagated: Mapping[str, Tensor] | None) -> ScaleMaps:
        """What the scale makes of the encoder's level and the maps of the next coarser scale."""
        maps = self.initial(level, propagated)
        return ScaleMaps(
            {task: predict(maps[task]) for task, predict in self.predict.items()} if self.training else {},
            self.distil(maps),
            self.propagate(maps) if self.propagate is not None else None,
        )


class MTINet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    `instances` is a `DenseInstances`, where instance tasks are
    asked for; while training `deep`, a dict of all tasks and auxiliary ones a scale, fine to coarse, at its resolution.
    """

    def __init__(
        self,
        encoder: Encoder,
        widths: Sequence[int],
        head: int,
        skip_finest: int,
        auxiliary: Sequence[str],
        instances: InstanceParameters,
        tasks: Sequence[str],
        num_classes: int,
        normalization: Normalization,
    ) -> None:
        """`widths` of the scales, fine to coarse: one for each encoder level but the `skip_finest` finest."""
        super().__init__()
        dense, found = chosen_tasks(tasks, INSTANCE_TASKS), instance_tasks(tasks)
        sources = with_auxiliary(dense, auxiliary)
        self.tasks = sources
        self.normalize = Normalize(normalization)
        self.encoder = encoder
        self.skip_finest = skip_finest
        channels, reductions = encoder.channels[skip_finest:], encoder.reductions[skip_finest:]
        handed = (*widths[1:], 0)
        self.scales = nn.ModuleList(
            Scale(c + h, w, tuple(dense), sources, num_classes, finest=i == 0)
            for i, (c, h, w) in enumerate(zip(channels, handed, widths, strict=True))
        )
        self.heads = nn.ModuleDict({name: LightHead(widths, head, task, num_classes) for name, task in dense.items()})
        self.instances = InstanceHead(channels[1:4], reductions[1:4], instances, found, num_classes) if found else None

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output a key."""
        x, size = padded(self.normalize(images)), (images.shape[-2], images.shape[-1])
        full = x.shape[-2:]
        features = self.encoder(x)[self.skip_finest :]
        scales = self._scales(features)
        raw = {task: head([maps.distilled[task] for maps in scales]) for task, head in self.heads.items()}
        outputs: dict[str, Any] = dict(finished(self.tasks, raw, full, size))
        if self.instances is not None:
            outputs["instances"] = self.instances(features[1:4], size)
        if self.training:
            outputs["deep"] = tuple(coarse(self.tasks, maps.first, full, size) for maps in scales)
        return outputs

    def _scales(self, features: Sequence[Tensor]) -> list[ScaleMaps]:
        """The scales' maps, fine to coarse; made coarse to fine."""
        found: list[ScaleMaps] = []
        for scale, level in zip(list(self.scales)[::-1], features[::-1], strict=True):
            found.insert(0, scale(level, found[0].propagated if found else None))
        return found


def _joined(level: Tensor, propagated: Mapping[str, Tensor] | None, task: str) -> Tensor:
    return level if propagated is None else torch.cat([level, resize(propagated[task], level.shape[-2:])], 1)
