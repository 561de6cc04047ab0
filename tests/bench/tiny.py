"""A plugin with models that cost next to nothing: `-m tiny-00` and on."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from robustbench_seg import MODELS
from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.models.base import LoadedModel

COUNT = 64


class Tiny(nn.Module):
    """Logits are minus the distances to the class colours; depth is their spread, in metres."""

    def __init__(self) -> None:
        super().__init__()
        colours = torch.tensor(CITYSCAPES19.palette) / 255
        self.conv = nn.Conv2d(3, len(CITYSCAPES19), 1)
        with torch.no_grad():
            self.conv.weight.copy_(200 * colours[:, :, None, None])
            self.conv.bias.copy_(-100 * colours.square().sum(1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        logits = self.conv(images)
        return {"semantic": logits, "depth": 1 + logits.std(1)}


def _model(name: str) -> LoadedModel:
    return LoadedModel(name, Tiny().eval(), ("semantic", "depth"), CITYSCAPES19, "none", "0" * 64, "tiny")


for index in range(COUNT):
    MODELS.register(f"tiny-{index:02d}", "one convolution")(partial(_model, f"tiny-{index:02d}"))
