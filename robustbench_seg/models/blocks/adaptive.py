"""Pixel-adaptive convolution (Su 2019; Guizilini 2020, eq. 4 and 5): a tap counts by how alike features are there.

v'_i = Σ_j K(f_i, f_j) W[p_i - p_j] v_j + b with K = exp(-½ |f_i - f_j|² / σ²), not normalised; each filter has a σ.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.models.blocks.resize import resize


class Guidance(NamedTuple):
    """What guides a convolution: features f (N,D,h,w) at any resolution, and σ > 0 of its filters (C,)."""

    features: Tensor
    sigma: Tensor


class AdaptiveConv2d(nn.Conv2d):
    """A convolution of stride 1 that keeps the size; with guidance a pixel-adaptive one of the same weights."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, padding_mode: Literal["zeros", "reflect"] = "zeros"
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, padding_mode=padding_mode)

    def forward(self, x: Tensor, guidance: Guidance | None = None) -> Tensor:
        """The map (N,C,H,W) of one of as many rows and columns; features are brought to its size bilinearly."""
        if guidance is None:
            return super().forward(x)
        features = resize(guidance.features, x.shape[-2:])
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        margin = [self.kernel_size[0] // 2] * 4
        x, features = F.pad(x, margin, mode), F.pad(features, margin, mode)
        result = adaptive_conv2d(x, self.weight, Guidance(features, guidance.sigma))
        return result if self.bias is None else result + self.bias.to(result.dtype).view(-1, 1, 1)


class AdaptiveUnit(nn.Sequential):
    """An adaptive convolution and what follows it."""

    def forward(self, x: Tensor, guidance: Guidance | None = None) -> Tensor:
        """The map (N,C,H,W) of one of as many rows and columns."""
        convolution, *others = self
        x = convolution(x, guidance)
        for part in others:
            x = part(x)
        return x


def adaptive_conv2d(x: Tensor, weight: Tensor, guidance: Guidance) -> Tensor:
    """The sum over j, without b: (N,C,H,W) of `x` (N,B,H+k-1,W+k-1) and features as large, for `weight` (C,B,k,k).

    Neither forward nor backward holds more than a few maps (N,C,H,W) beside what it is given: taps are computed one at
    a time, and again for the gradient. Under autocast products are in half precision, K and the sum in float32.
    """
    features, sigma = guidance
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        half = torch.get_autocast_dtype(kind)
        x, weight, features = x.to(half), weight.to(half), features.float()
    result: Tensor = _AdaptiveConvolution.apply(x, weight, features, -0.5 / sigma.square())
    return result


class _AdaptiveConvolution(torch.autograd.Function):
    """See `adaptive_conv2d`; `scale` (C,) is -½ / σ²."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, features: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, features, scale)
        total: Tensor | None = None
        for tap in _taps(x, weight, features):
            value = tap.product()
            if not tap.is_centre:
                value = value * _kernel(_squared(tap.difference()), scale)
            total = value if total is None else total + value
        assert total is not None
        return total.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x, weight, features, scale = ctx.saved_tensors
        for_x, for_weight, *for_guidance = ctx.needs_input_grad
        to_x, to_weight, to_features, to_scale = map(torch.zeros_like, (x, weight, features, scale))
        # Windows are views: what is added to a tap's is added to the whole.
        for tap, to in zip(_taps(x, weight, features), _taps(to_x, to_weight, to_features), strict=True):
            weighted = gradient
            if not tap.is_centre:
                difference = tap.difference()
                distance = _squared(difference)
                weighted = gradient * _kernel(distance, scale)
                if any(for_guidance):
                    to_exponent = weighted * tap.product()
                    to_scale += (to_exponent * distance).sum((0, 2, 3))
                    difference *= 2 * (to_exponent * scale.view(-1, 1, 1)).sum(1, keepdim=True)
                    to.centre.add_(difference)
                    to.features.sub_(difference)
                weighted = weighted.to(x.dtype)
            if for_x:
                to.x.add_(F.conv2d(weighted, tap.weight.T[..., None, None]))
            if for_weight:
                to.weight.add_(_rows(weighted).T @ _rows(tap.x))
        return to_x, to_weight, to_features, to_scale


class _Tap(NamedTuple):
    """One of the k² terms of a convolution: its windows of the padded maps, and its weights (C,B)."""

    x: Tensor
    weight: Tensor
    features: Tensor
    centre: Tensor
    is_centre: bool

    def product(self) -> Tensor:
        """W v_j (N,C,H,W)."""
        return F.conv2d(self.x, self.weight[..., None, None])

    def difference(self) -> Tensor:
        """f_i - f_j (N,D,H,W)."""
        return self.centre - self.features


def _taps(x: Tensor, weight: Tensor, features: Tensor) -> Iterator[_Tap]:
    rows, columns = weight.shape[-2:]
    height, width = x.shape[-2] - rows + 1, x.shape[-1] - columns + 1

    def window(maps: Tensor, row: int, column: int) -> Tensor:
        return maps[..., row : row + height, column : column + width]

    middle = rows // 2, columns // 2
    centre = window(features, *middle)
    for row, column in itertools.product(range(rows), range(columns)):
        here = window(x, row, column), weight[..., row, column], window(features, row, column)
        yield _Tap(*here, centre, (row, column) == middle)


def _rows(maps: Tensor) -> Tensor:
    """Maps (N,C,H,W) as one row per pixel (NHW,C)."""
    return maps.movedim(1, -1).flatten(0, -2)


def _squared(difference: Tensor) -> Tensor:
    """|f_i - f_j|² (N,1,H,W)."""
    return difference.square().sum(1, keepdim=True)


def _kernel(distance: Tensor, scale: Tensor) -> Tensor:
    """K (N,C,H,W)."""
    return (distance * scale.view(-1, 1, 1)).exp()
