"""PAD-Net (Xu 2018): first predictions of all tasks, whose features then exchange gated messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from robustbench_seg.models.blocks.attention import Distillation
from robustbench_seg.models.blocks.deephead import Fuse, coarse, dense_tasks, finished, predictor, with_auxiliary
from robustbench_seg.models.blocks.resize import padded_size
from robustbench_seg.models.networks.base import EncoderParameters, NetworkRequest, Skipped, Width
from robustbench_seg.models.networks.uninet import Bottleneck


@dataclass(frozen=True)
class PadNetParameters(EncoderParameters):
    """`width` of every map, at the encoder's finest level but `skip_finest`.

    `auxiliary` tasks are predicted first, to help the others, and not at the end.
    """

    width: Width = 256
    skip_finest: Skipped = 1
    auxiliary: tuple[str, ...] = ()

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return PadNet(self, request)


class PadNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    Each task's output as `dense_tasks.DENSE_TASKS` says; while training `deep`, one dict with the first predictions of
    all tasks and auxiliary ones, at their resolution.
    """

    def __init__(self, parameters: PadNetParameters, request: NetworkRequest) -> None:
        super().__init__()
        width, num_classes = parameters.width, request.num_classes
        dense = dense_tasks(request.tasks)
        sources = with_auxiliary(dense, parameters.auxiliary)
        self.encoder = parameters.image_encoder(request, parameters.skip_finest)
        self.fuse = Fuse(self.encoder.channels, width)
        self.initial = nn.ModuleDict({task: _refinement(width) for task in sources})
        self.predict = nn.ModuleDict({task: predictor(width, task, num_classes) for task in sources})
        self.distil = Distillation(dense, sources, width)
        self.heads = nn.ModuleDict(
            {task: nn.Sequential(_refinement(width), predictor(width, task, num_classes)) for task in dense}
        )

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output per key."""
        full, size = padded_size(images), images.shape[-2:]
        fused = self.fuse(self.encoder(images))
        initial = {task: refine(fused) for task, refine in self.initial.items()}
        distilled = self.distil(initial)
        raw = {task: head(distilled[task]) for task, head in self.heads.items()}
        outputs: dict[str, Any] = dict(finished(raw, full, size))
        if self.training:
            first = {task: predict(initial[task]) for task, predict in self.predict.items()}
            outputs["deep"] = (coarse(first, full, size),)
        return outputs


def _refinement(width: int) -> nn.Module:
    return nn.Sequential(*(Bottleneck(width, width, width // 4) for _ in range(2)))
