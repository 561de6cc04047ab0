"""The networks that UniNet 2021 compares with (table 1), as architectures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.instance_head import InstanceParameters
from robustbench_seg.models.networks.base import NetworkRequest, architecture
from robustbench_seg.models.networks.crossstitch import CrossStitchNet
from robustbench_seg.models.networks.mtan import MTAN
from robustbench_seg.models.networks.mtinet import MTINet
from robustbench_seg.models.networks.mtl import MTLNet
from robustbench_seg.models.networks.padnet import PadNet


@dataclass(frozen=True)
class MTLParameters:
    """`width` of the heads; `skip_finest` encoder levels are left out (1: the heads predict at /4)."""

    encoder: str = "dla34"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    width: int = 256
    skip_finest: int = 1


@dataclass(frozen=True)
class PadNetParameters:
    """`width` of every map; `auxiliary` tasks are predicted first, to help the others, and not at the end."""

    encoder: str = "dla34"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    width: int = 256
    skip_finest: int = 1
    auxiliary: tuple[str, ...] = ()


@dataclass(frozen=True)
class MTINetParameters:
    """`widths` of the scales, fine to coarse, and `head` of the heads; `auxiliary` as PAD-Net's.

    As many scales as encoder levels but the `skip_finest` finest. The paper gives no widths: the default ones come near
    its parameters and multiplications (53 M, 235 G without auxiliary tasks).
    """

    encoder: str = "dla34"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    widths: tuple[int, ...] = (128, 256, 256, 256)
    head: int = 256
    skip_finest: int = 1
    auxiliary: tuple[str, ...] = ()
    instances: InstanceParameters = field(default_factory=InstanceParameters)


@architecture("mtl", MTLParameters)
def mtl(parameters: MTLParameters, request: NetworkRequest) -> nn.Module:
    """The multi-task baseline, and with one task the single-task one."""
    encoder = Encoder(parameters.encoder, parameters.encoder_args)
    return MTLNet(
        encoder, parameters.width, parameters.skip_finest, request.tasks, request.num_classes, request.normalization
    )


@architecture("padnet", PadNetParameters)
def padnet(parameters: PadNetParameters, request: NetworkRequest) -> nn.Module:
    """PAD-Net: first predictions, then distillation."""
    return PadNet(
        Encoder(parameters.encoder, parameters.encoder_args),
        parameters.width,
        parameters.skip_finest,
        parameters.auxiliary,
        request.tasks,
        request.num_classes,
        request.normalization,
    )


@architecture("mtinet", MTINetParameters)
def mtinet(parameters: MTINetParameters, request: NetworkRequest) -> nn.Module:
    """MTI-Net, and with instance tasks MTI-Net++."""
    return MTINet(
        Encoder(parameters.encoder, parameters.encoder_args),
        parameters.widths,
        parameters.head,
        parameters.skip_finest,
        parameters.auxiliary,
        parameters.instances,
        request.tasks,
        request.num_classes,
        request.normalization,
    )


@architecture("mtan", MTLParameters)
def mtan(parameters: MTLParameters, request: NetworkRequest) -> nn.Module:
    """MTAN: attention to a shared encoder, stage by stage."""
    encoder = Encoder(parameters.encoder, parameters.encoder_args)
    return MTAN(
        encoder, parameters.width, parameters.skip_finest, request.tasks, request.num_classes, request.normalization
    )


@architecture("crossstitch", MTLParameters)
def crossstitch(parameters: MTLParameters, request: NetworkRequest) -> nn.Module:
    """Cross-stitch: an encoder a task."""
    encoders = {task: Encoder(parameters.encoder, parameters.encoder_args) for task in request.tasks}
    return CrossStitchNet(
        encoders,
        parameters.encoder,
        parameters.width,
        parameters.skip_finest,
        request.num_classes,
        request.normalization,
    )
