"""Klingner 2020's way: labelled images and frames share the encoder alone, where their gradients are weighed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.heads import SCALES, DepthHead, inverse_depth
from robustbench_seg.models.blocks.multitask import Branch
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.training.video.network import Inverses, JointNet


@runtime_checkable
class Branched(Protocol):
    """A network whose tasks have nothing but its encoder in common."""

    encoder: nn.Module

    def branches(self) -> Mapping[str, Branch]:
        """What each task has for itself."""


@runtime_checkable
class Staged(Protocol):
    """A decoder with a map per stage, of `widths` coarse to fine."""

    widths: Sequence[int]

    def stages(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The maps of all stages, coarse to fine."""


class SplitNet(JointNet):
    """Frames pass through the encoder and depth's branch, which gets coarser heads; labelled images through the others.

    `scale` is λ: gradients of the other tasks reach the encoder multiplied by it, those of depth by 1 - λ.
    """

    def __init__(self, network: nn.Module, pose: nn.Module, scale: float) -> None:
        super().__init__(network, pose)
        self.scale = scale
        decoder, head = self._depth()
        self.coarse = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in decoder.widths[-SCALES:-1])
        # Near, so that small first motions already show: the sigmoid's middle, 0.2 m.
        nn.init.zeros_(head.conv.bias)  # type: ignore[arg-type]

    def depth_parameters(self) -> list[nn.Parameter]:
        """Those of the depth decoder and its heads."""
        branch = self._branches()[Depth.name]
        return [parameter for part in (*branch, self.coarse) for parameter in part.parameters()]

    def predicted(self, images: Tensor, frames: Tensor) -> tuple[dict[str, Any], Inverses]:
        """The outputs of all tasks but depth, and the inverse depths of the frames at the decoder's scales."""
        encoder: nn.Module = self.network.encoder  # type: ignore[assignment]
        features: Sequence[Tensor] = encoder(torch.cat([images, frames]))
        labelled = scale_gradient([f[: len(images)] for f in features], self.scale)
        filmed = scale_gradient([f[len(images) :] for f in features], 1 - self.scale)
        size = (images.shape[-2], images.shape[-1])
        outputs = {task: b.output(labelled, size) for task, b in self._branches().items() if task != Depth.name}
        return outputs, self._inverses(filmed)

    def _inverses(self, features: Sequence[Tensor]) -> Inverses:
        decoder, head = self._depth()
        maps = decoder.stages(features)[-SCALES:]
        convolutions = [*self.coarse, head.conv]
        inverses = [inverse_depth(convolve(x)) for convolve, x in zip(convolutions, maps, strict=True)]
        return tuple(inverses[::-1])

    def _branches(self) -> Mapping[str, Branch]:
        return self.network.branches() if isinstance(self.network, Branched) else {}

    def _depth(self) -> tuple[Staged, DepthHead]:
        """The decoder and head of depth; InputError where it has none of that kind for itself."""
        branch = self._branches().get(Depth.name)
        if branch and isinstance(branch.decoder, Staged) and isinstance(branch.head, DepthHead):
            return branch.decoder, branch.head
        raise InputError(
            "[video] gradient_scale: needs a network whose tasks share the encoder alone and whose depth decoder has "
            "several scales, such as klingner; leave it out, and both kinds of images pass through the whole network"
        )


def scale_gradient(features: Iterable[Tensor], factor: float) -> list[Tensor]:
    """The same features; what flows back into each is multiplied by `factor` (Klingner 2020, eq. 5)."""
    scaled = [x.view_as(x) for x in features]
    for x in scaled:
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
    return scaled
