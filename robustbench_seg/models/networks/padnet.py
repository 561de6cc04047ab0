"""PAD-Net (Xu 2018): first predictions of all tasks, whose features then exchange gated messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from robustbench_seg.models.blocks.attention import Distillation
from robustbench_seg.models.blocks.deephead import Fuse, chosen_tasks, coarse, finished, predictor, with_auxiliary
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.multitask import padded
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.models.networks.uninet import Bottleneck


class PadNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    While training `deep`, one dict with the first predictions of
    all tasks and auxiliary ones, at their resolution.
    """

    def __init__(
        self,
        encoder: Encoder,
        width: int,
        skip_finest: int,
        auxiliary: Sequence[str],
        tasks: Sequence[str],
        num_classes: int,
        normalization: Normalization,
    ) -> None:
        """`width` of every map, at the encoder's finest level but `skip_finest`."""
        super().__init__()
        dense = chosen_tasks(tasks)
        sources = with_auxiliary(dense, auxiliary)
        self.tasks = sources
        self.normalize = Normalize(normalization)
        self.encoder = encoder
        self.skip_finest = skip_finest
        self.fuse = Fuse(encoder.channels[skip_finest:], width)
        self.initial = nn.ModuleDict({task: _refinement(width) for task in sources})
        self.predict = nn.ModuleDict({name: predictor(width, task, num_classes) for name, task in sources.items()})
        self.distil = Distillation(tuple(dense), tuple(sources), width)
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(_refinement(width), predictor(width, task, num_classes))
                for name, task in dense.items()
            }
        )

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output a key."""
        x, size = padded(self.normalize(images)), images.shape[-2:]
        full = x.shape[-2:]
        fused = self.fuse(self.encoder(x)[self.skip_finest :])
        initial = {task: refine(fused) for task, refine in self.initial.items()}
        distilled = self.distil(initial)
        raw = {task: head(distilled[task]) for task, head in self.heads.items()}
        outputs: dict[str, Any] = dict(finished(self.tasks, raw, full, size))
        if self.training:
            first = {task: predict(initial[task]) for task, predict in self.predict.items()}
            outputs["deep"] = (coarse(self.tasks, first, full, size),)
        return outputs


def _refinement(width: int) -> nn.Module:
    return nn.Sequential(*(Bottleneck(width, width, width // 4) for _ in range(2)))
