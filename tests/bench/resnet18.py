"""The U-net of Klingner 2020 at the paper's width on a ResNet-18, as a user's own model: FILE.py:unet11, :unet19."""

from __future__ import annotations

from torch import nn

from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build


def unet11() -> nn.Module:
    """For CamVid's 11 classes."""
    return _unet(11)


def unet19() -> nn.Module:
    """For Cityscapes' 19 classes."""
    return _unet(19)


def _unet(classes: int) -> nn.Module:
    # The adapter around a user's own model normalises.
    return build("klingner", {}, NetworkRequest(("semantic",), classes, Normalization.parse("none")), "resnet18")
