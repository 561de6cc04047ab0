"""Cross-stitch networks (Misra 2016): one encoder per task, whose features are mixed linearly after every stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from timm.models import FeatureListNet
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.deephead import chosen_tasks, finished, light_heads
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.normalization import Normalize
from robustbench_seg.models.blocks.resize import padded
from robustbench_seg.models.networks.base import LightParameters, NetworkRequest

OWN = 0.9
"""The first weight of a task's features in its mixture; the other tasks share the rest equally."""


class CrossStitch(nn.Module):
    """T tasks' maps to T mixtures of them, with a weight for each pair of tasks and channel."""

    def __init__(self, tasks: int, channels: int) -> None:
        super().__init__()
        mixing = torch.full((tasks, tasks), (1 - OWN) / (tasks - 1)).fill_diagonal_(OWN)
        self.weight = nn.Parameter(mixing[:, :, None].repeat(1, 1, channels))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N,channels,h,w): the sum over tasks s of weight[t,s] x map[s], for every task t."""
        mixed = []
        for weights in self.weight:
            parts = [weight[:, None, None] * x for weight, x in zip(weights, maps, strict=True)]
            mixed.append(torch.stack(parts).sum(0))
        return mixed


@dataclass(frozen=True)
class CrossStitchParameters(LightParameters):
    """An encoder and a light head per task; the levels that the heads use are stitched."""

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return CrossStitchNet(self, request)


class CrossStitchNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size."""

    def __init__(self, parameters: CrossStitchParameters, request: NetworkRequest) -> None:
        super().__init__()
        self.tasks = tasks = chosen_tasks(request.tasks)
        if len(tasks) < 2:
            raise InputError(f"crossstitch joins at least two tasks, not {', '.join(tasks)}; add one or use mtl")
        encoders = {task: Encoder(parameters.encoder, parameters.encoder_args) for task in tasks}
        self.normalize = Normalize(request.normalization)
        self.encoder = nn.ModuleDict(encoders)
        self.skip_finest = parameters.skip_finest
        first = encoders[next(iter(tasks))]
        self.stages = stages(first, parameters.encoder)
        used = first.channels[self.skip_finest :]
        self.stitches = nn.ModuleList(CrossStitch(len(tasks), c) for c in used)
        self.heads = light_heads(tasks, used, parameters.width, request.num_classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task."""
        x = padded(self.normalize(images))
        levels = self._levels(x)
        raw = {task: head([level[i] for level in levels]) for i, (task, head) in enumerate(self.heads.items())}
        return finished(self.tasks, raw, images)

    def _levels(self, x: Tensor) -> list[list[Tensor]]:
        """The stitched maps, one per task, of every level used, fine to coarse."""
        maps = [x] * len(self.encoder)
        for stage in self.stages[: self.skip_finest]:
            maps = self._run(stage, maps)
        levels = []
        for stage, stitch in zip(self.stages[self.skip_finest :], self.stitches, strict=True):
            maps = stitch(self._run(stage, maps))
            levels.append(maps)
        return levels

    def _run(self, stage: Sequence[str], maps: Sequence[Tensor]) -> list[Tensor]:
        results = []
        for encoder, x in zip(self.encoder.values(), maps, strict=True):
            for name in stage:
                x = encoder.body.get_submodule(name)(x)  # type: ignore[union-attr]
            results.append(x)
        return results


def stages(encoder: Encoder, name: str) -> tuple[tuple[str, ...], ...]:
    """The names of the encoder's parts between each level and the next; InputError where they form no chain."""
    body = encoder.body
    if type(body) is not FeatureListNet:
        raise InputError(f"encoder {name!r} cannot be run stage by stage; use one such as resnet18 or dla34")
    groups: list[tuple[str, ...]] = []
    parts: list[str] = []
    for part in body:
        parts.append(part)
        if part in body.return_layers:
            groups.append(tuple(parts))
            parts = []
    return tuple(groups)
