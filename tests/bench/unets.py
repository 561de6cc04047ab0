"""The U-net of Klingner 2020 at the paper's width, as a user's own model: FILE.py:FACTORY, by encoder and classes."""

from __future__ import annotations

from torch import nn

from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build


def resnet18_11() -> nn.Module:
    """For CamVid's 11 classes."""
    return _unet("resnet18", 11)


def resnet18_19() -> nn.Module:
    """For Cityscapes' 19 classes."""
    return _unet("resnet18", 19)


def resnet101_19() -> nn.Module:
    """The same on a trunk five times as deep."""
    return _unet("resnet101", 19)


def _unet(encoder: str, classes: int) -> nn.Module:
    # The adapter around a user's own model normalises.
    request = NetworkRequest(("semantic",), classes, Normalization.parse("none"))
    return build("klingner", {"encoder": encoder}, request, encoder)
