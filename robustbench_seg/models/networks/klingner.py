"""Klingner 2020: a shared encoder and one U-decoder per task."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from robustbench_seg.models.blocks.multitask import MultiTaskNet
from robustbench_seg.models.blocks.udecoder import UDecoder
from robustbench_seg.models.networks.base import EncoderParameters, Kernel, NetworkRequest, Width


@dataclass(frozen=True)
class KlingnerParameters(EncoderParameters):
    """Klingner 2020; `widths` of the decoder, coarse to fine, are the paper's by default."""

    encoder: str = "resnet18"
    widths: tuple[Width, ...] = (256, 128, 64, 32, 16)
    head_kernel: Kernel = 3

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        encoder = self.halving_encoder(request)
        return MultiTaskNet(encoder, lambda: UDecoder(encoder.channels, self.widths), request, self.head_kernel)
