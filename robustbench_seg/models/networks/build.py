"""The architectures a card or recipe may name, each a parameter dataclass and a builder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.fpn import FPNDecoder
from robustbench_seg.models.blocks.instance_head import InstanceParameters
from robustbench_seg.models.blocks.multitask import MultiTaskNet
from robustbench_seg.models.blocks.udecoder import UDecoder
from robustbench_seg.models.networks import baselines as baselines
from robustbench_seg.models.networks.base import ARCHITECTURES, NetworkRequest, architecture
from robustbench_seg.models.networks.uninet import DecoderParameters, UniNet
from robustbench_seg.registry import one_line, unknown
from robustbench_seg.strict import from_table


def build(name: str, parameters: Mapping[str, Any], request: NetworkRequest, where: str) -> nn.Module:
    """The module of an architecture; unknown names and parameters are one-line errors opened by `where`."""
    if name not in ARCHITECTURES:
        raise UsageError(f"{where}: {unknown('architecture', name, ARCHITECTURES)}")
    entry = ARCHITECTURES[name]
    chosen = from_table(entry.parameters, parameters, f"{where}: [{name}]")
    try:
        return entry.builder(chosen, request)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError, ZeroDivisionError) as error:
        raise InputError(f"{where}: {name} cannot be built from {parameters}: {one_line(error)}") from error


@dataclass(frozen=True)
class KlingnerParameters:
    """`widths` of the decoder, coarse to fine; the paper's are the default."""

    encoder: str = "resnet18"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    widths: tuple[int, ...] = (256, 128, 64, 32, 16)
    head_kernel: int = 3


@dataclass(frozen=True)
class FPNParameters:
    """`width` of the pyramid; `skip_finest` encoder levels are left out."""

    encoder: str = "mobilenetv2_100"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    width: int = 96
    skip_finest: int = 1
    head_kernel: int = 1


@dataclass(frozen=True)
class UniNetParameters:
    """The shared decoder's sizes and the instance head's; the paper's are the default."""

    encoder: str = "dla34"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    decoder: DecoderParameters = field(default_factory=DecoderParameters)
    instances: InstanceParameters = field(default_factory=InstanceParameters)


@architecture("klingner", KlingnerParameters)
def klingner(parameters: KlingnerParameters, request: NetworkRequest) -> nn.Module:
    """Klingner 2020: a U-decoder a task on a shared encoder."""
    encoder = Encoder(parameters.encoder, parameters.encoder_args)
    return MultiTaskNet(
        encoder,
        lambda: UDecoder(encoder.channels, parameters.widths),
        request.tasks,
        request.num_classes,
        request.normalization,
        parameters.head_kernel,
    )


@architecture("fpn", FPNParameters)
def fpn(parameters: FPNParameters, request: NetworkRequest) -> nn.Module:
    """A light feature pyramid a task on a shared encoder."""
    encoder = Encoder(parameters.encoder, parameters.encoder_args)
    return MultiTaskNet(
        encoder,
        lambda: FPNDecoder(encoder.channels, parameters.width, parameters.skip_finest),
        request.tasks,
        request.num_classes,
        request.normalization,
        parameters.head_kernel,
    )


@architecture("uninet", UniNetParameters)
def uninet(parameters: UniNetParameters, request: NetworkRequest) -> nn.Module:
    """UniNet 2021: a shared decoder for pixel tasks and an instance head."""
    encoder = Encoder(parameters.encoder, parameters.encoder_args)
    return UniNet(
        encoder, parameters.decoder, parameters.instances, request.tasks, request.num_classes, request.normalization
    )
