"""The architectures a card or recipe may name, each a parameter dataclass and a builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.encoders import Encoder
from robustbench_seg.models.fpn import FPNDecoder
from robustbench_seg.models.klingner import UDecoder
from robustbench_seg.models.multitask import MultiTaskNet
from robustbench_seg.models.normalization import Normalization
from robustbench_seg.models.strict import from_table
from robustbench_seg.registry import one_line, unknown


@dataclass(frozen=True)
class Request:
    """What every architecture needs besides its own parameters."""

    tasks: Sequence[str]
    num_classes: int
    normalization: Normalization


Builder = Callable[[Any, Request], nn.Module]


@dataclass(frozen=True)
class Architecture:
    """A named network family: the dataclass of its parameters and the function that builds it."""

    name: str
    parameters: type[Any]
    builder: Builder


ARCHITECTURES: dict[str, Architecture] = {}


def architecture(name: str, parameters: type[Any]) -> Callable[[Builder], Builder]:
    """Registers a builder `(parameters, request) -> module`; a collision raises ValueError."""

    def register(builder: Builder) -> Builder:
        if name in ARCHITECTURES:
            raise ValueError(f"architecture {name!r} is already registered")
        ARCHITECTURES[name] = Architecture(name, parameters, builder)
        return builder

    return register


def build(name: str, parameters: Mapping[str, Any], request: Request, where: str) -> nn.Module:
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


@architecture("klingner", KlingnerParameters)
def klingner(parameters: KlingnerParameters, request: Request) -> nn.Module:
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
def fpn(parameters: FPNParameters, request: Request) -> nn.Module:
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
