"""Shipped networks as somebody else's: without their normalisation, some with their classes shifted by a channel."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from robustbench_seg.models.blocks.normalization import Normalize
from robustbench_seg.models.registry import MODELS


class Shifted(nn.Module):
    """A network with every class `by` channels further on."""

    def __init__(self, net: nn.Module, by: int) -> None:
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs = self.net(x)
        return {**outputs, "semantic": outputs["semantic"].roll(self.by, 1)}


class Strict(nn.Module):
    """A network that refuses values that no image has after the normalisation of ImageNet."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        if x.abs().max() > 3:
            raise ValueError("not normalised")
        outputs: dict[str, Tensor] = self.net(x)
        return outputs


def bare(name: str) -> nn.Module:
    """A model of the catalogue that leaves normalisation to who calls it."""
    net = MODELS.get(name)().module
    for part in net.modules():
        for key, child in part.named_children():
            if isinstance(child, Normalize):
                setattr(part, key, nn.Identity())
    return net


street = partial(bare, "street-single")
camvid = partial(bare, "camvid-mobilenetv2")


def street_strict() -> nn.Module:
    return Strict(street())


def street_up() -> nn.Module:
    return Shifted(street(), 1)


def street_down() -> nn.Module:
    return Shifted(street(), -1)


def camvid_up() -> nn.Module:
    return Shifted(camvid(), 1)


def camvid_down() -> nn.Module:
    return Shifted(camvid(), -1)
