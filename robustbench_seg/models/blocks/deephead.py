"""What the dense multi-task networks share: light heads, the outputs of a task, the checks of the tasks asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.resize import padded_size, resize
from robustbench_seg.tasks.dense import DenseTask, dense_tasks

DEEP = "deep"
"""The output under which a network in training lists its intermediate predictions, each level at its resolution."""


class Fuse(nn.Module):
    """Levels brought to the finest one, concatenated, 1x1 convolution, BatchNorm, ReLU.

    The convolution runs on each level before the upsampling, with which it commutes: the same values at less cost.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(c, width, 1, bias=False) for c in channels)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The map (N,width,h,w) at the size of the first level."""
        size = features[0].shape[-2:]
        maps = [resize(reduce(x), size) for reduce, x in zip(self.reduce, features, strict=True)]
        return F.relu(self.norm(sum(maps[1:], maps[0])))


def light_heads(tasks: Mapping[str, DenseTask], channels: Sequence[int], width: int, num_classes: int) -> nn.ModuleDict:
    """A task's decoder in the multi-task baseline, by task: all levels fused, then the prediction."""
    return nn.ModuleDict(
        {
            name: nn.Sequential(Fuse(channels, width), predictor(width, task, num_classes))
            for name, task in tasks.items()
        }
    )


def predictor(width: int, task: DenseTask, num_classes: int) -> nn.Conv2d:
    """The 1x1 convolution to a task's raw channels."""
    return nn.Conv2d(width, task.channels(num_classes), 1)


def finished(tasks: Mapping[str, DenseTask], raw: Mapping[str, Tensor], images: Tensor) -> dict[str, Tensor]:
    """Outputs at the size of `images` of raw maps that cover them padded: upsampled, cropped, in the task's units."""
    full, (height, width) = padded_size(images), images.shape[-2:]
    return {name: tasks[name].activate(resize(x, full)[..., :height, :width]) for name, x in raw.items()}


def coarse(tasks: Mapping[str, DenseTask], raw: Mapping[str, Tensor], images: Tensor) -> dict[str, Tensor]:
    """The same at the resolution of the maps, for losses of intermediate predictions.

    Upsampling four scales of four tasks costs more than the network does.
    """
    return {name: tasks[name].activate(covering(x, images)) for name, x in raw.items()}


def covering(x: Tensor, images: Tensor) -> Tensor:
    """The part of a map (…,h,w) of padded images that covers `images`."""
    full, size = padded_size(images), images.shape[-2:]
    height, width = (-(-length * n // m) for length, n, m in zip(x.shape[-2:], size, full, strict=True))
    return x[..., :height, :width]


def chosen_tasks(tasks: Sequence[str], extra: Sequence[str] = ()) -> dict[str, DenseTask]:
    """The dense ones of `tasks`; InputError where one is neither dense nor in `extra`."""
    dense = dense_tasks()
    known = (*dense, *extra)
    for task in tasks:
        if task not in known:
            raise InputError(f"no head for task {task!r}; the network's tasks are {', '.join(known)}")
    return {task: dense[task] for task in tasks if task in dense}


def with_auxiliary(tasks: Mapping[str, DenseTask], auxiliary: Sequence[str]) -> dict[str, DenseTask]:
    """Tasks and auxiliary tasks; InputError without a task, or where an auxiliary one is unknown or named twice."""
    dense = dense_tasks()
    if not tasks:
        raise InputError(f"the network needs a dense task; add one of {', '.join(dense)} to its tasks")
    for i, task in enumerate(auxiliary):
        if task not in dense:
            raise InputError(f"no head for auxiliary task {task!r}; the network's tasks are {', '.join(dense)}")
        if task in (*tasks, *auxiliary[:i]):
            raise InputError(f"auxiliary task {task!r} is there already; name it once, in tasks or in auxiliary")
    return {**tasks, **{task: dense[task] for task in auxiliary}}
