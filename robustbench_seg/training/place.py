"""Where and how a training step runs: its device or devices, its precision, and who makes its batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from robustbench_seg.evaluation.config import refuse_precision
from robustbench_seg.float32 import tf32
from robustbench_seg.training.batches import Part

Precision = Literal["fp32", "tf32", "bf16"]
Forward = Callable[..., Any]
"""A network as a step runs it: what it takes on the device, outputs in float32."""

MOST_WORKERS = 8
"""For one GPU by default; each holds up to two batches, and what its data set caches."""


class Team(Protocol):
    """The processes that share each step of a training, one per device."""

    @property
    def part(self) -> Part:
        """The part of a batch that is this process's."""

    def running(self) -> AbstractContextManager[None]:
        """Start the others, and wait for them at the end."""

    def begin(self, seed: int, step: int) -> None:
        """Set the random numbers of a step apart from those of the other processes."""

    def shared(self, loss: nn.Module) -> nn.Module:
        """The loss of this process's part, whose backward gives the gradient of the whole batch."""

    def mean(self, loss: Tensor) -> Tensor:
        """The loss of the whole batch, without waiting for it."""


class Alone:
    """The only process of a training."""

    part = Part()

    def running(self) -> AbstractContextManager[None]:
        """There is nobody to start."""
        return nullcontext()

    def begin(self, seed: int, step: int) -> None:
        """Its random numbers go on from those of the last step."""

    def shared(self, loss: nn.Module) -> nn.Module:
        """The loss itself."""
        return loss

    def mean(self, loss: Tensor) -> Tensor:
        """The loss itself."""
        return loss


@dataclass(frozen=True)
class Place:
    """Where and how a training runs, apart from what it is (the recipe); `open_place` makes one.

    `precision` is that of the network in training: `tf32` of its products on a GPU, `bf16` by autocast. Weights, losses
    and validation stay fp32.
    `workers` are the processes that make this one's batches, 0 for this one itself.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "fp32"
    workers: int = 0
    team: Team = field(default_factory=Alone)

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that validates and writes."""
        return self.team.part.index == 0

    @property
    def marks(self) -> dict[str, Any]:
        """What the weights depend on beside recipe and data, where it is not as by default: fp32 on one device."""
        marks = {"precision": self.precision, "devices": self.team.part.count}
        return {key: value for key, value in marks.items() if value != _UNMARKED[key]}

    def objective(self, module: nn.Module, loss: Callable[[Forward, Any], Tensor]) -> nn.Module:
        """The loss of a batch, as a module to call and go backwards from."""
        return self.team.shared(_Objective(module, loss, self))

    def multiplying(self) -> AbstractContextManager[None]:
        """Within the block products of float32 are in TF32 where the precision says so, else in float32."""
        return tf32(self.precision == "tf32")


_UNMARKED = {"precision": "fp32", "devices": 1}


HERE = Place()
"""The CPU, in this process alone."""


def open_place(
    device: str = "cpu", devices: int = 1, precision: Precision = "fp32", workers: int | None = None
) -> Place:
    """The place on a device, or on several of its kind; UsageError where they are not here or lack the precision.

    Over several devices each batch is split; see `fabric.Several`. By default (`workers` None) no process makes
    batches for a CPU, and as many as there are cores for GPUs, at most MOST_WORKERS for each.
    """
    refuse_precision(precision, device)
    if workers is None:
        cores = len(os.sched_getaffinity(0)) // devices
        workers = 0 if torch.device(device).type == "cpu" else min(MOST_WORKERS, cores)
    if devices == 1:
        return Place(torch.device(device), precision, workers)
    from robustbench_seg.training.fabric import Several

    team = Several(device, devices)
    return Place(team.device, precision, workers, team)


class _Objective(nn.Module):
    """The loss of a batch; a module, so that what wraps it sees which parameters the loss depends on."""

    def __init__(self, module: nn.Module, loss: Callable[[Forward, Any], Tensor], place: Place) -> None:
        super().__init__()
        self.module = module
        self._loss = loss
        self._place = place

    def forward(self, batch: Any) -> Tensor:
        return self._loss(self._forward, batch)

    def _forward(self, images: Tensor, *more: Any) -> Any:
        # The network alone: less is too coarse for what losses compute, such as where a depth moves a pixel.
        is_half = self._place.precision == "bf16"
        with self._place.multiplying(), torch.autocast(images.device.type, torch.bfloat16, enabled=is_half):
            outputs = self.module(images, *more)
        return in_float32(outputs) if is_half else outputs


def in_float32(outputs: Any) -> Any:
    """Outputs, alone or in nested mappings and tuples, in float32; each knows `float()`, as tensors do."""
    if isinstance(outputs, Mapping):
        return {key: in_float32(value) for key, value in outputs.items()}
    return tuple(map(in_float32, outputs)) if isinstance(outputs, tuple) else outputs.float()
