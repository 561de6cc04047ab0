"""Cross-task attention (DenseMTL 2023): what the map of one task takes from those of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from robustbench_seg.strict import Range


def over_positions(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each position (N,C,P) of the query takes the values at those positions of the source whose keys are like it.

    The softmax is over the source's positions, of products by 1/√C (eqs. 1 and 2).
    """
    return F.scaled_dot_product_attention(query.mT, key.mT, value.mT).mT


def over_channels(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same with channels and positions (N,C,P) the other way round."""
    return F.scaled_dot_product_attention(query, key, value)


Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
ATTENTIONS: Mapping[str, tuple[Attend, ...]] = {
    "spatial": (over_positions,),
    "channel": (over_channels,),
    "both": (over_positions, over_channels),
}
"""By name, what is summed, each with gains of its own."""


class CrossTaskAttention(nn.Module):
    """xTAM in one direction: a map (N,C,h,w) for a target task of that of a source task (eq. 4).

    The cross-task attention of maps smaller by `pooling`, times a learnt gain per channel that starts at 0, and the
    source's own gated features, if any; projected back to C. Where the paper's text and its authors' code differ (one
    convolution before all, kernels of the gated features, pooling) it is the code's way: the number of parameters that
    the paper prints is that one.
    """

    def __init__(self, width: int, attention: str, self_attention: bool, pooling: int) -> None:
        super().__init__()
        own = width // 2 if self_attention else 0
        self.pooling, self.attends = pooling, ATTENTIONS[attention]
        self.shared = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU())
        # Features and their gate in one convolution.
        self.own = nn.Sequential(nn.Conv2d(width, 2 * own, 3, padding=1), nn.GLU(1)) if self_attention else None
        self.query, self.key, self.value = (_pointwise(width, width) for _ in range(3))
        self.gain = nn.Parameter(torch.zeros(len(self.attends), width, 1, 1))
        self.project = _pointwise(own + width, width)

    def forward(self, target: Tensor, source: Tensor) -> Tensor:
        """What the target takes from the source."""
        shared = self.shared(source)
        pooled = F.max_pool2d(shared, self.pooling, ceil_mode=True)
        size = pooled.shape[-2:]
        query = self.query(F.interpolate(target, size, mode="nearest")).flatten(2)
        key, value = self.key(pooled).flatten(2), self.value(pooled).flatten(2)
        crossed = torch.zeros_like(target)
        for attend, gain in zip(self.attends, self.gain, strict=True):
            attended = attend(query, key, value).view_as(pooled)
            crossed = crossed + gain * F.interpolate(attended, target.shape[-2:], mode="nearest")
        projected: Tensor = self.project(crossed if self.own is None else torch.cat([self.own(shared), crossed], 1))
        return projected


class Elementwise(nn.Module):
    """A map combined with what it takes from others, value by value."""

    def __init__(self, combine: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.combine = combine

    def forward(self, features: Tensor, taken: Tensor) -> Tensor:
        """The combined map."""
        return self.combine(features, taken)


class Concatenated(nn.Module):
    """A map combined with what it takes from others by a 1x1 convolution of both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = _pointwise(2 * width, width)

    def forward(self, features: Tensor, taken: Tensor) -> Tensor:
        """The combined map."""
        mixed: Tensor = self.mix(torch.cat([features, taken], 1))
        return mixed


FUSIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "add": lambda width: Elementwise(torch.add),
    "product": lambda width: Elementwise(torch.mul),
    "concat": Concatenated,
}
"""How a task's map is combined with what it takes from the others (eq. 5)."""


@dataclass(frozen=True)
class AttentionParameters:
    """Cross-task attention at maps smaller by `pooling`; the paper's way by default, its ablations by the others."""

    attention: Literal["spatial", "channel", "both"] = "spatial"
    self_attention: bool = True
    fusion: Literal["add", "product", "concat"] = "add"
    pooling: Annotated[int, Range(1, 64)] = 4

    def block(self, targets: Sequence[str], sources: Sequence[str], width: int) -> nn.Module:
        """The block for maps of that width."""
        return AttentionExchange(targets, sources, width, self)


class AttentionExchange(nn.Module):
    """mTEB: every target's map combined with what it takes from all other tasks' (DenseMTL 2023, eq. 5)."""

    def __init__(
        self, targets: Sequence[str], sources: Sequence[str], width: int, parameters: AttentionParameters
    ) -> None:
        super().__init__()
        how = parameters.attention, parameters.self_attention, parameters.pooling
        others = {target: [source for source in sources if source != target] for target in targets}
        self.directions = nn.ModuleDict(
            {
                target: nn.ModuleDict({source: CrossTaskAttention(width, *how) for source in sources})
                for target, sources in others.items()
            }
        )
        self.combine = nn.ModuleDict(
            {target: _pointwise(width * len(sources), width) for target, sources in others.items() if sources}
        )
        self.fuse = nn.ModuleDict({target: FUSIONS[parameters.fusion](width) for target in self.combine})

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One map (N,width,h,w) per target, of one map of the same shape per source."""
        return {target: self._refined(target, features) for target in self.directions}

    def _refined(self, target: str, features: Mapping[str, Tensor]) -> Tensor:
        own = features[target]
        if target not in self.combine:
            return own
        directions: nn.ModuleDict = self.directions[target]  # type: ignore[assignment]
        taken = torch.cat([direction(own, features[source]) for source, direction in directions.items()], 1)
        refined: Tensor = self.fuse[target](own, self.combine[target](taken))
        return refined


def _pointwise(inputs: int, outputs: int) -> nn.Module:
    """1x1 convolution, BatchNorm, ReLU."""
    made: nn.Module = Conv2dNormActivation(inputs, outputs, 1)
    return made
