"""What a network is to a card or recipe: a dataclass of its parameters that builds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal

from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import ImageEncoder
from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.strict import Range

Width = Annotated[int, Range(1, 65_536)]
"""A number of channels."""
Skipped = Annotated[int, Range(0, 8)]
"""How many of the encoder's finest levels are not used."""
Kernel = Literal[1, 3, 5, 7]
"""A kernel's side in pixels, odd so that the map keeps its size."""


@dataclass(frozen=True)
class NetworkRequest:
    """What every network needs besides its parameters."""

    tasks: Sequence[str]
    num_classes: int
    normalization: Normalization


class NetworkParameters(ABC):
    """Base of the dataclasses whose fields are a network's parameters; `NETWORKS.register(name)` adds one."""

    @abstractmethod
    def build(self, request: NetworkRequest) -> nn.Module:
        """The network with fresh weights: images (N,3,H,W) in [0,1] of any size to a dict of outputs by task key.

        Raises InputError where a task or a parameter does not fit.
        """


@dataclass(frozen=True)
class EncoderParameters(NetworkParameters):
    """Parameters of the networks on a timm encoder: its name and its `encoders.EncoderArgs`."""

    encoder: str = "dla34"
    encoder_args: dict[str, Any] = field(default_factory=dict)

    def image_encoder(self, request: NetworkRequest, skip_finest: int = 0) -> ImageEncoder:
        """A fresh encoder without its `skip_finest` finest levels."""
        return ImageEncoder(self.encoder, self.encoder_args, request.normalization, skip_finest)

    def halving_encoder(self, request: NetworkRequest) -> ImageEncoder:
        """A fresh encoder whose levels each halve the one before; InputError where they do not."""
        encoder = self.image_encoder(request)
        if any(coarse != 2 * fine for fine, coarse in pairwise(encoder.reductions)):
            raise InputError(
                f"encoder_args: {self.encoder_args} gives levels at strides {', '.join(map(str, encoder.reductions))}, "
                "but the decoder doubles each; leave output_stride out"
            )
        return encoder


@dataclass(frozen=True)
class LightParameters(EncoderParameters):
    """`width` of the task heads, which use every encoder level but the `skip_finest` finest (1: they predict at /4)."""

    width: Width = 256
    skip_finest: Skipped = 1
