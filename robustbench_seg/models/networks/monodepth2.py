"""Godard 2019: a ResNet encoder and a U-decoder that predicts depth at four scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from robustbench_seg.models.blocks.adaptive import Guidance
from robustbench_seg.models.blocks.depthnet import DepthNet, Stage
from robustbench_seg.models.blocks.encoders import ImageEncoder
from robustbench_seg.models.blocks.heads import SCALES, inverse_depth
from robustbench_seg.models.blocks.udecoder import UDecoder
from robustbench_seg.models.networks.base import EncoderParameters, NetworkRequest, Width
from robustbench_seg.models.networks.build import GuideParameters


@dataclass(frozen=True)
class Monodepth2Parameters(EncoderParameters):
    """`widths` of the decoder, coarse to fine, are the paper's by default; `guide`, where there is one, guides it."""

    encoder: str = "resnet18"
    widths: tuple[Width, ...] = (256, 128, 64, 32, 16)
    guide: GuideParameters | None = None

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        encoder = self.halving_encoder(request)
        decoder = MultiScaleDecoder(encoder, self.widths)
        guide = self.guide.build(request.num_classes) if self.guide else None
        return DepthNet(encoder, decoder, request, guide)


class MultiScaleDecoder(nn.Module):
    """A U-decoder with an inverse depth at each of its four finest stages."""

    def __init__(self, encoder: ImageEncoder, widths: Sequence[int]) -> None:
        super().__init__()
        self.body = UDecoder(encoder.channels, widths)
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths[-SCALES:])
        strides = (*reversed(encoder.reductions[:-1]), 1)
        self.stages = tuple(map(Stage, strides, widths))

    def forward(self, features: Sequence[Tensor], guidance: Sequence[Guidance]) -> list[Tensor]:
        """Inverse depths (N,1,h,w), fine to coarse, of features given fine to coarse."""
        maps = self.body.stages(features, guidance)[-SCALES:]
        return [inverse_depth(head(x)) for head, x in zip(self.heads, maps, strict=True)][::-1]
