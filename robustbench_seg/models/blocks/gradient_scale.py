"""Gradient scaling between a decoder and the shared encoder (Klingner 2020, eq. 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def scale_gradient(features: Iterable[Tensor], factor: float) -> list[Tensor]:
    """The same features; what flows back into each is multiplied by `factor`."""
    scaled: list[Tensor] = [_Scaled.apply(x, factor) for x in features]
    return scaled
