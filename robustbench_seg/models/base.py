"""What the evaluation gets when it asks for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from robustbench_seg.classes import ClassSet, align
from robustbench_seg.tasks.base import OwnLabels, Task
from robustbench_seg.tasks.registry import load_tasks

DEFAULT_TASK = "semantic"
"""What a network is taken to predict that comes without a declaration of its tasks."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be attacked.

    `module` maps images (N,3,H,W) in [0,1] to a dict of outputs by task key, such as `semantic` logits (N,C,H,W), at
    the size of the images. It is in eval mode and fp32, and its parameters take no gradient. `depth_align` says how
    depth is brought to the labels before it is measured (`tasks.depth_align`). `sha256` names the weights
    (of a custom network also how it is called), `origin` says where the model came from, `terms` what its training
    data allows, `notes` what was chosen in loading it. `own_classes` are those of tasks that predict others than
    `classes`, by task.
    """

    name: str
    module: nn.Module
    tasks: tuple[str, ...]
    classes: ClassSet
    depth_align: str
    sha256: str
    origin: str
    summary: str = ""
    terms: str = ""
    notes: tuple[str, ...] = ()
    own_classes: Mapping[str, ClassSet] = field(default_factory=dict)

    def class_set(self, task: str) -> ClassSet:
        """The classes that a task predicts."""
        return self.own_classes.get(task, self.classes)


def in_own_classes(model: LoadedModel) -> dict[str, Task]:
    """The tasks of a model by name, those with classes of their own in these."""
    own = {name: OwnLabels(name, align(classes, classes)) for name, classes in model.own_classes.items()}
    tasks = load_tasks(model.tasks)
    return {name: task.against(own[name]) if name in own else task for name, task in tasks.items()}


def for_inference(module: nn.Module) -> nn.Module:
    """The module in eval mode, fp32, without parameter gradients."""
    return module.eval().to(torch.float32).requires_grad_(False)


@runtime_checkable
class Restrictable(Protocol):
    """A network that can drop the heads of tasks that nobody asks for."""

    def restricted(self, tasks: Sequence[str]) -> nn.Module:
        """The same network, sharing its weights, with these tasks alone."""


def restricted(module: nn.Module, tasks: Sequence[str]) -> nn.Module:
    """The module with these tasks alone where it can be restricted, else as it is."""
    return module.restricted(tasks) if isinstance(module, Restrictable) else module
