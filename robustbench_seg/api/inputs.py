"""What a caller of `attack` hands over, checked: images, and labels as the tasks' losses take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.instances.task import InstancesTask
from robustbench_seg.tasks.instances.truth import InstanceLabels
from robustbench_seg.tasks.rules import MapRule


class KnownLabels(dict[str, Any]):
    """Labels by key; asking for one that was not given is a UsageError."""

    def __missing__(self, key: str) -> NoReturn:
        raise UsageError(f"the attack needs labels of '{key}'; give labels={{'{key}': ...}}, or those of `task` alone")


def checked_images(images: object) -> Tensor:
    """Images (N,3,H,W) as float32; UsageError where they are something else, or not within [0,1]."""
    x = _tensor("images", images)
    if x.dim() != 4 or x.shape[1] != 3 or not x.numel():
        raise UsageError(f"images have shape {tuple(x.shape)}; give (N,3,H,W)")
    if not x.is_floating_point():
        raise UsageError(f"images are {_dtype(x)}; give floats in [0,1], as images.float() / 255")
    low, high = float(x.min()), float(x.max())
    if not (low >= 0 and high <= 1):
        raise UsageError(f"images have values from {low:.4g} to {high:.4g}; give RGB in [0,1], as images / 255")
    return x.float()


def checked_labels(given: Mapping[str, Any], tasks: Iterable[Task], images: Tensor, outputs: Outputs) -> KnownLabels:
    """Labels by key in the types that the tasks' losses take, beside the images; UsageError where one does not fit."""
    by_key = {task.key: task for task in tasks}
    for key in given:
        if key not in by_key:
            raise UsageError(f"labels have '{key}', which no task of the model takes; give {', '.join(by_key)}")
    return KnownLabels((key, _checked(by_key[key], label, images, outputs)) for key, label in given.items())


def _checked(task: Task, label: Any, images: Tensor, outputs: Outputs) -> Any:
    if isinstance(task, DenseTask) and isinstance(task.label_rule, MapRule):
        return _map(task, task.label_rule, _tensor(f"labels of '{task.key}'", label), images, outputs)
    if not isinstance(task, InstancesTask):
        return label
    if not isinstance(label, InstanceLabels) or len(label) != len(images):
        raise UsageError(f"labels of '{task.key}' are no InstanceLabels of {len(images)} images; give one of the batch")
    return label.to(images.device)


def _map(task: DenseTask, rule: MapRule, label: Tensor, images: Tensor, outputs: Outputs) -> Tensor:
    count, _, height, width = images.shape
    whole = rule.dtype == "int64"
    planes = 1 if whole or task.planes is None else task.planes
    shape = (count, height, width) if planes == 1 else (count, planes, height, width)
    if tuple(label.shape) != shape:
        raise UsageError(f"labels of '{task.key}' have shape {tuple(label.shape)}; give {shape}")
    if whole and label.is_floating_point():
        raise UsageError(f"labels of '{task.key}' are {_dtype(label)}; give whole numbers, void {VOID}")
    label = rule.finish(label).to(images.device)
    if task.class_logits is not None:
        _refuse_unknown_ids(task.key, label, task.class_logits.of(outputs).shape[1])
    return label


def _refuse_unknown_ids(key: str, label: Tensor, channels: int) -> None:
    wrong = label[(label != VOID) & ((label < 0) | (label >= channels))]
    if len(wrong):
        raise UsageError(
            f"labels of '{key}' have the id {int(wrong[0])}; the model has 0 to {channels - 1}, void is {VOID}"
        )


def _tensor(what: str, value: object) -> Tensor:
    """A tensor or an array as a tensor."""
    if not isinstance(value, Tensor | np.ndarray):
        raise UsageError(f"{what} are a {type(value).__name__}; give a torch tensor or a numpy array")
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} are an array that torch does not take: {error}") from None


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
