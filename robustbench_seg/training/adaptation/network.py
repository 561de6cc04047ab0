"""What is trained for DenseMTL 2023's domain adaptation: a network, and one discriminator per task and scale."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.deephead import DEEP
from robustbench_seg.models.blocks.resize import SMALLEST
from robustbench_seg.tasks.base import Outputs
from robustbench_seg.tasks.dense import DenseTask, dense_tasks
from robustbench_seg.training.adaptation.discriminator import PatchDiscriminator
from robustbench_seg.training.adaptation.losses import Verdict, Verdicts
from robustbench_seg.training.place import in_float32


@dataclass(frozen=True)
class Judged:
    """Outputs of the source's images, and what the discriminators say of both domains' predictions."""

    outputs: dict[str, Any]
    verdicts: Verdicts

    def float(self) -> Judged:
        """The same in float32, after half precision."""
        return Judged(in_float32(self.outputs), in_float32(self.verdicts))


class AdaptedNet(nn.Module):
    """A network and the discriminators of its outputs for `tasks` and of its intermediate predictions.

    The two domains go through the network one after the other: BatchNorm normalises each by its own statistics, and
    keeps running ones of both, as in AdvEnt's code.
    """

    def __init__(self, network: nn.Module, tasks: Sequence[str], widths: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.tasks = _adaptable(tasks)
        tried = _tried(network)
        self.discriminators = nn.ModuleList(
            nn.ModuleDict({task: PatchDiscriminator(maps.shape[1], widths) for task, maps in level.items()})
            for level in self._seen(tried, tried)
        )

    def forward(self, images: Tensor, targets: Tensor) -> Judged:
        """Images of the source and of the target, each (N,3,H,W); their numbers and sizes may differ."""
        outputs = self.network(images)
        # In half precision logarithms, and a batch's extremes, are too coarse.
        source, target = in_float32(outputs), in_float32(self.network(targets))
        verdicts = []
        for judges, own, other in zip(
            self.discriminators, self._seen(source, source), self._seen(target, source), strict=True
        ):
            named: nn.ModuleDict = judges  # type: ignore[assignment]
            verdicts.append({task: _judged(judge, own[task], other[task]) for task, judge in named.items()})
        return Judged(outputs, tuple(verdicts))

    def _seen(self, outputs: Outputs, source: Outputs) -> list[dict[str, Tensor]]:
        """What discriminators see of outputs, by task: of the intermediate levels in their order, then of the last."""
        return [
            {name: task.domain_maps(own[name], theirs[name]) for name, task in self.tasks.items()}
            for own, theirs in zip(self._levels(outputs), self._levels(source), strict=True)
        ]

    def _levels(self, outputs: Outputs) -> list[Mapping[str, Tensor]]:
        return [*outputs.get(DEEP, ()), {name: outputs[task.key] for name, task in self.tasks.items()}]


def _judged(judge: nn.Module, source: Tensor, target: Tensor) -> Verdict:
    assert isinstance(judge, PatchDiscriminator)
    return Verdict(judge(source.detach()), judge(target.detach()), judge.unmoved(target))


def _adaptable(tasks: Sequence[str]) -> dict[str, DenseTask]:
    dense = dense_tasks()
    for task in tasks:
        if task not in dense:
            raise InputError(f"task {task!r} has no map to adapt; [adaptation] takes {', '.join(dense)}")
    return {task: dense[task] for task in tasks}


def _tried(network: nn.Module) -> Outputs:
    """What a network gives in training; it and the global random numbers stay as they were."""
    with torch.no_grad(), torch.random.fork_rng(devices=()):
        outputs: Outputs = copy.deepcopy(network).train()(torch.zeros(2, 3, SMALLEST, SMALLEST))
    return outputs
