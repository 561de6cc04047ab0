"""A light network that trains at low cost: a shared encoder and one feature pyramid per task."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from robustbench_seg.models.blocks.fpn import FPNDecoder
from robustbench_seg.models.blocks.multitask import MultiTaskNet
from robustbench_seg.models.networks.base import EncoderParameters, Kernel, NetworkRequest, Skipped, Width


@dataclass(frozen=True)
class FPNParameters(EncoderParameters):
    """A feature pyramid of `width` channels per task; `skip_finest` encoder levels are not used."""

    encoder: str = "mobilenetv2_100"
    width: Width = 96
    skip_finest: Skipped = 1
    head_kernel: Kernel = 1

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        encoder = self.image_encoder(request, self.skip_finest)
        return MultiTaskNet(encoder, lambda: FPNDecoder(encoder.channels, self.width), request, self.head_kernel)
