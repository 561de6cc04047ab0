"""How the losses of several tasks become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def weighted_sum(losses: Mapping[str, Tensor]) -> Tensor:
    """The plain sum of losses that carry their weights already."""
    return torch.stack(list(losses.values())).sum()


def geometric_mean(losses: Mapping[str, Tensor]) -> Tensor:
    """The geometric loss strategy (Chennupati 2019; UniNet 2021, eq. 1): exp of the mean logarithm."""
    return torch.stack(list(losses.values())).clamp(min=1e-8).log().mean().exp()


BALANCES: Mapping[str, Callable[[Mapping[str, Tensor]], Tensor]] = {"sum": weighted_sum, "geometric": geometric_mean}
