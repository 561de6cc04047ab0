"""Other ways in which a network may have been meant to be called: its input, the order of its classes."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import Alignment
from robustbench_seg.models.adapters.adapter import ORDERS, Adapter, InputSpec
from robustbench_seg.models.blocks.normalization import PRESETS, Normalization, Normalize
from robustbench_seg.tasks.base import Outputs, Task

_INPUTS = (
    ("imagenet", 1),
    ("half", 1),
    ("none", 1),
    ("none", 255),
    # Of Inception, many vision transformers and diffusion models: [-1, 1].
    ("mean=0.5,0.5,0.5;std=0.5,0.5,0.5", 1),
    # Of Caffe and of detectors that started from its weights.
    ("mean=123.675,116.28,103.53;std=1,1,1", 255),
)
"""Normalisations and scales that networks are commonly trained with."""
_SHIFTS = {1: "each class read from the next channel", -1: "each class read from the channel before"}


class Alternative(ABC):
    """Another way of calling a model."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What it is, to go behind "with"."""

    @abstractmethod
    def outputs(self, target_model: TargetModel, images: Tensor) -> Outputs:
        """What the model gives for images (N,3,H,W) in [0,1] where it is called in that way."""


@dataclass(frozen=True)
class OtherInput(Alternative):
    """Another normalisation, scale or channel order than that inside the model."""

    given: InputSpec
    other: InputSpec

    @property
    def text(self) -> str:
        """The options that are not the given ones."""
        return " ".join(option for option in self.other.options if option not in self.given.options)

    def outputs(self, target_model: TargetModel, images: Tensor) -> Outputs:
        """Those of images that the given preprocessing makes what the other one makes of these."""
        x = _normalize(self.other, images.device)(images)
        if self.given.order != self.other.order:
            x = x.flip(1)
        given = _normalize(self.given, images.device)
        return target_model.outputs(x * given.std + given.mean)


@dataclass(frozen=True)
class ShiftedClasses(Alternative):
    """Every class is found `shift` channels behind its own, as where 0 is the background, or labels count from 1."""

    shift: int

    @property
    def text(self) -> str:
        """In words."""
        return _SHIFTS[self.shift]

    def outputs(self, target_model: TargetModel, images: Tensor) -> Outputs:
        """Those in the classes of the other channels."""
        tasks = [_with_own(task, self._moved) for task in target_model.tasks.values()]
        alignment = self._moved(target_model.alignment)
        shifted = TargetModel(target_model.module, tasks, alignment, draws=target_model.draws)
        outputs = shifted.outputs(images)
        target_model.cost += shifted.cost
        return outputs

    def _moved(self, alignment: Alignment | None) -> Alignment | None:
        """The alignment with each class's channels so much further on, the last followed by the first."""
        if alignment is None:
            return None
        channels = alignment.channels or 1 + max(max(members) for members in alignment.logit_members)
        moved = (
            tuple(sorted((each + self.shift) % channels for each in members)) for members in alignment.logit_members
        )
        return replace(alignment, logit_members=tuple(moved))


def alternatives(module: nn.Module, tasks: Sequence[Task]) -> list[Alternative]:
    """What is worth a try with a module that predicts such tasks; as many for every module."""
    given = input_of(module)
    inputs = [InputSpec(text, scale, order) for (text, scale), order in itertools.product(_INPUTS, ORDERS)]
    (other_order,) = (order for order in ORDERS if order != given.order)
    made: list[Alternative] = [OtherInput(given, other) for other in (*inputs, replace(given, order=other_order))]
    return made + [ShiftedClasses(shift) for shift in _SHIFTS if any(task.has_classes for task in tasks)]


def count(tasks: Sequence[Task]) -> int:
    """How many alternatives there are for models of such tasks."""
    return len(alternatives(nn.Identity(), tasks))


def input_of(module: nn.Module) -> InputSpec:
    """What is known of a module's own preprocessing; none where nothing is."""
    parts = list(module.modules())
    adapter = next((part for part in parts if isinstance(part, Adapter)), None)
    if adapter is not None:
        return adapter.spec
    normalize = next((part for part in parts if isinstance(part, Normalize)), None)
    return InputSpec("none" if normalize is None else _name(normalize.normalization))


def _name(normalization: Normalization) -> str:
    """A preset's, or the numbers."""
    return next((name for name, preset in PRESETS.items() if preset == normalization), normalization.text)


def _normalize(spec: InputSpec, device: torch.device) -> Normalize:
    return Normalize(spec.normalization()).to(device)


def _with_own(task: Task, moved: Callable[[Alignment | None], Alignment | None]) -> Task:
    """The task with the alignment moved that it alone has, where it has one."""
    return task if task.own is None else task.against(replace(task.own, alignment=moved(task.own.alignment)))
