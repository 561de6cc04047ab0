"""A shared encoder with one decoder and head per task; serves single-task networks too."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from robustbench_seg.models.blocks.deephead import chosen_tasks
from robustbench_seg.models.blocks.encoders import ImageEncoder
from robustbench_seg.models.blocks.fpn import FPNDecoder
from robustbench_seg.models.blocks.heads import make_head
from robustbench_seg.models.blocks.resize import padded_size
from robustbench_seg.models.blocks.udecoder import UDecoder

if TYPE_CHECKING:
    from robustbench_seg.models.networks.base import NetworkRequest

Decoder = FPNDecoder | UDecoder


class Branch(NamedTuple):
    """What a task has for itself: a decoder from the encoder's features to a map, a head from that to the output."""

    decoder: nn.Module
    head: nn.Module

    def output(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """The task's output at `size` (H,W)."""
        output: Tensor = self.head(self.decoder(features), size)
        return output


class MultiTaskNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to one output per task at that size."""

    def __init__(
        self, encoder: ImageEncoder, decoder: Callable[[], Decoder], request: NetworkRequest, kernel: int
    ) -> None:
        """`decoder` makes a fresh decoder for each task; `kernel` is that of the heads."""
        super().__init__()
        tasks = chosen_tasks(request.tasks)
        decoders = {name: decoder() for name in tasks}
        self.encoder = encoder
        self.decoders = nn.ModuleDict(decoders)
        self.heads = nn.ModuleDict(
            {name: make_head(tasks[name], d.out_channels, request.num_classes, kernel) for name, d in decoders.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task."""
        (height, width), size = images.shape[-2:], padded_size(images)
        features = self.encoder(images)
        return {task: b.output(features, size)[..., :height, :width] for task, b in self.branches().items()}

    def branches(self) -> dict[str, Branch]:
        """What each task has beside the encoder, which is all that they share."""
        return {task: Branch(decoder, self.heads[task]) for task, decoder in self.decoders.items()}

    def restricted(self, tasks: Sequence[str]) -> MultiTaskNet:
        """The same network, sharing its weights, with the decoders of these tasks alone."""
        other = copy.copy(self)
        # A shallow copy shares the table of submodules; what is replaced in it must not be the original's.
        other._modules = dict(self._modules)
        other.decoders = nn.ModuleDict({task: d for task, d in self.decoders.items() if task in tasks})
        return other
