"""How the maps of tasks take part in one another's, by name: what networks with an exchange take as a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.attention import Distillation
from robustbench_seg.models.blocks.cross_attention import AttentionParameters
from robustbench_seg.registry import unknown
from robustbench_seg.strict import from_table


class ExchangeParameters(Protocol):
    """A dataclass of the parameters of one kind of exchange."""

    def block(self, targets: Sequence[str], sources: Sequence[str], width: int) -> nn.Module:
        """A module from one map (N,width,h,w) per source to one of the same shape per target, which are sources too."""


@dataclass(frozen=True)
class NoParameters:
    """Tasks keep to themselves."""

    def block(self, targets: Sequence[str], sources: Sequence[str], width: int) -> nn.Module:
        """A module without parameters."""
        return Untouched(targets)


@dataclass(frozen=True)
class GatedParameters:
    """Every task gets a gated message from every other (PAD-Net, Xu 2018)."""

    def block(self, targets: Sequence[str], sources: Sequence[str], width: int) -> nn.Module:
        """Multi-modal distillation."""
        return Distillation(targets, sources, width)


class Untouched(nn.Module):
    """The maps of the targets as they are."""

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__()
        self.targets = tuple(targets)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One map per target."""
        return {target: features[target] for target in self.targets}


EXCHANGES: Mapping[str, type[ExchangeParameters]] = {
    "none": NoParameters,
    "gated": GatedParameters,
    "attention": AttentionParameters,
}


def make_exchange(
    name: str, args: Mapping[str, Any], targets: Sequence[str], sources: Sequence[str], width: int
) -> nn.Module:
    """The block of that name with fresh weights; InputError where there is none, or one without these arguments."""
    if name not in EXCHANGES:
        raise InputError(f"exchange: {unknown('exchange', name, EXCHANGES)}")
    return from_table(EXCHANGES[name], args, "exchange_args").block(targets, sources, width)
