"""What is trained for Klingner 2020: a multi-task network, its depth head at coarser scales, and a pose network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.heads import DepthHead, inverse_depth
from robustbench_seg.models.blocks.multitask import MultiTaskNet
from robustbench_seg.models.blocks.pose import PoseNet
from robustbench_seg.models.blocks.udecoder import UDecoder
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.training.place import in_float32
from robustbench_seg.training.video.clips import Clips
from robustbench_seg.training.video.warping import rigid

SCALES = 4


@dataclass(frozen=True)
class Predicted:
    """Outputs of the labelled images, inverse depths (N,1,h,w) of the clips fine to coarse, motions of the camera.

    The motions (N,6) are those from the previous frame and to the next one, see `PoseNet`.
    """

    outputs: dict[str, Tensor]
    inverses: tuple[Tensor, ...]
    motions: tuple[Tensor, Tensor]

    def transforms(self) -> tuple[Tensor, Tensor]:
        """What takes points of the current frame into the previous and into the next one, each (N,4,4)."""
        since, until = self.motions
        return rigid(since, inverse=True), rigid(until)

    def float(self) -> Predicted:
        """The same in float32, after half precision."""
        return Predicted(in_float32(self.outputs), in_float32(self.inverses), in_float32(self.motions))


class JointNet(nn.Module):
    """A `MultiTaskNet` with U-decoders, of which the depth head learns from video.

    `scale` is λ: gradients of the other tasks reach the encoder multiplied by it, those of depth by 1 - λ.
    """

    def __init__(self, network: nn.Module, pose: PoseNet, scale: float) -> None:
        super().__init__()
        if not isinstance(network, MultiTaskNet) or not isinstance(decoder := network.decoders[Depth.name], UDecoder):
            raise InputError("depth from video needs decoders with several scales: architecture klingner")
        self.network, self.pose, self.scale = network, pose, scale
        widths = decoder.widths[-SCALES:-1]
        self.coarse = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths)
        head: Any = network.heads[Depth.name]
        # Near, so that small first motions already show: the sigmoid's middle, 0.2 m.
        nn.init.zeros_(head.conv.bias)

    def depth_parameters(self) -> list[nn.Parameter]:
        """Those of the depth decoder and its heads."""
        parts: Sequence[nn.Module] = (self.network.decoders[Depth.name], self.network.heads[Depth.name], self.coarse)
        return [parameter for part in parts for parameter in part.parameters()]

    def forward(self, images: Tensor, clips: Clips) -> Predicted:
        """Labelled images (N,3,H,W) and clips of the same size, multiples of 32, through the encoder in one batch."""
        network = self.network
        features: Sequence[Tensor] = network.encoder(torch.cat([images, clips.now]))
        labelled = scale_gradient([f[: len(images)] for f in features], self.scale)
        filmed = scale_gradient([f[len(images) :] for f in features], 1 - self.scale)
        size = (images.shape[-2], images.shape[-1])
        outputs = {
            task: network.heads[task](decoder(labelled), size)
            for task, decoder in network.decoders.items()
            if task != Depth.name
        }
        return Predicted(outputs, self._inverses(filmed), self._motions(clips))

    def _inverses(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        decoder: Any = self.network.decoders[Depth.name]
        head: Any = self.network.heads[Depth.name]
        assert isinstance(head, DepthHead)
        maps = decoder.stages(features)[-SCALES:]
        convolutions = [*self.coarse, head.conv]
        inverses = [inverse_depth(convolve(x)) for convolve, x in zip(convolutions, maps, strict=True)]
        return tuple(inverses[::-1])

    def _motions(self, clips: Clips) -> tuple[Tensor, Tensor]:
        first, second = torch.cat([clips.before, clips.now]), torch.cat([clips.now, clips.after])
        since, until = self.pose(first, second).chunk(2)
        return since, until


def scale_gradient(features: Iterable[Tensor], factor: float) -> list[Tensor]:
    """The same features; what flows back into each is multiplied by `factor` (Klingner 2020, eq. 5)."""
    scaled = [x.view_as(x) for x in features]
    for x in scaled:
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
    return scaled
