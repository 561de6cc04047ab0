"""Task heads: from a decoder's map to a task's output at full resolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustbench_seg.models.blocks.resize import resize
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.depth import Depth

MIN_DEPTH = 0.1
MAX_DEPTH = 100.0
SCALES = 4
"""At how many scales depth is learnt from video (Godard 2019): the finest ones of a decoder."""


class DenseHead(nn.Module):
    """A convolution to the task's raw channels, upsampled bilinearly where the decoder stops early."""

    def __init__(self, task: DenseTask, inputs: int, num_classes: int, kernel: int = 3) -> None:
        super().__init__()
        self.task = task
        self.conv = nn.Conv2d(inputs, task.channels(num_classes), kernel, padding=kernel // 2)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """The task's output at `size` (H,W)."""
        return self.task.activate(resize(self.conv(x), size))


class DepthHead(nn.Module):
    """Bounded inverse depth: 1/depth = 0.01 + 9.99 sigmoid, so depth lies in [0.1, 100] m (Klingner 2020)."""

    def __init__(self, inputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 1, kernel, padding=kernel // 2)
        # Starts near 10 m; at sigmoid(0) the first prediction would be 0.2 m everywhere.
        nn.init.constant_(self.conv.bias, -4.6)  # type: ignore[arg-type]

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Metres (N,*size)."""
        return inverse_depth(resize(self.conv(x), size)).reciprocal().squeeze(1)


def inverse_depth(logits: Tensor) -> Tensor:
    """The bounded inverse depth, 1/m, of a depth head's logits."""
    return 1 / MAX_DEPTH + (1 / MIN_DEPTH - 1 / MAX_DEPTH) * torch.sigmoid(logits)


def make_head(task: DenseTask, inputs: int, num_classes: int, kernel: int) -> nn.Module:
    """The head of a task: Klingner's for depth, a plain one for every other."""
    return DepthHead(inputs, kernel) if isinstance(task, Depth) else DenseHead(task, inputs, num_classes, kernel)
