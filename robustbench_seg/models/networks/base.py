"""What an architecture is: a name, a dataclass of parameters, and a builder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from robustbench_seg.models.blocks.normalization import Normalization


@dataclass(frozen=True)
class NetworkRequest:
    """What every architecture needs besides its own parameters."""

    tasks: Sequence[str]
    num_classes: int
    normalization: Normalization


Builder = Callable[[Any, NetworkRequest], nn.Module]


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
