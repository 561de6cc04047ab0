"""Variants of a shipped model: some hide their gradient or are random, some only look as if they did."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_seg.models.registry import MODELS

Change = Callable[[Tensor], Tensor]


class Variant(nn.Module):
    """`street-single` with its input and its logits changed."""

    def __init__(self, before: Change = lambda x: x, after: Change = lambda logits: logits) -> None:
        super().__init__()
        self.net = MODELS.get("street-single")().module
        self.before, self.after = before, after

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"semantic": self.after(self.net(self.before(images))["semantic"])}


class NoGrad(Variant):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            return super().forward(images)


class Inference(Variant):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode():
            return super().forward(images)


class StraightThrough(torch.autograd.Function):
    """Rounding to 8 bits whose gradient passes."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return round_to_8_bits(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class RandomResize(Variant):
    """Looks at the image at a random size."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[-2:]
        more = int(torch.randint(-8, 9, ()))
        seen = F.interpolate(images, (height + 2 * more, width + 4 * more), mode="bilinear", align_corners=False)
        logits = super().forward(seen)["semantic"]
        return {"semantic": F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)}


class BatchStatistics(Variant):
    """Normalises with the statistics of the batch."""

    def __init__(self) -> None:
        super().__init__()
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.track_running_stats, part.running_mean, part.running_var = False, None, None


class InTraining(Variant):
    """Keeps its dropout in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.after = nn.Dropout(0.2)

    def train(self, mode: bool = True) -> InTraining:
        super().train(mode)
        self.after.training = True
        return self


class NanAtOne(Variant):
    """Gives no number for one dark image."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        logits = super().forward(images)["semantic"]
        is_one = images.mean((1, 2, 3)) < DARK
        return {"semantic": torch.where(is_one.view(-1, 1, 1, 1), torch.nan, logits)}


DARK = 0.35
"""Below the mean of one of the first eight images of street val (0.317), and of its perturbed ones."""


def round_to_8_bits(x: Tensor) -> Tensor:
    return (255 * x).round() / 255


def round_most(x: Tensor) -> Tensor:
    """Rounded to 8 bits but for every tenth pixel."""
    is_kept = torch.arange(x.shape[-2] * x.shape[-1]).reshape(x.shape[-2:]) % 10 == 0
    return torch.where(is_kept, x, round_to_8_bits(x))


def halved(x: Tensor) -> Tensor:
    """Every other pixel of every other row alone, twice as large."""
    return F.interpolate(x[..., ::2, ::2], scale_factor=2)


def one_hot(logits: Tensor) -> Tensor:
    return F.one_hot(logits.argmax(1), logits.shape[1]).movedim(-1, 1).float()


def constant(logits: Tensor) -> Tensor:
    return 0 * logits + torch.arange(logits.shape[1]).view(1, -1, 1, 1)


def rounded_input() -> nn.Module:
    return Variant(before=round_to_8_bits)


def mostly_rounded_input() -> nn.Module:
    return Variant(before=round_most)


def halved_input() -> nn.Module:
    return Variant(before=halved)


def rounded_logits() -> nn.Module:
    return Variant(after=lambda logits: logits.round(decimals=1))


def argmax() -> nn.Module:
    return Variant(after=one_hot)


def no_grad() -> nn.Module:
    return NoGrad()


def inference_mode() -> nn.Module:
    return Inference()


def times_10_000() -> nn.Module:
    return Variant(after=lambda logits: 1e4 * logits)


def times_30() -> nn.Module:
    return Variant(after=lambda logits: 30 * logits)


def softmax() -> nn.Module:
    return Variant(after=lambda logits: logits.softmax(1))


def ripple() -> nn.Module:
    return Variant(before=lambda x: x + 0.004 * torch.sin(20_000 * x))


def dropout() -> nn.Module:
    return Variant(after=lambda logits: F.dropout(logits, 0.2, training=True))


def random_resize() -> nn.Module:
    return RandomResize()


def batch_statistics() -> nn.Module:
    return BatchStatistics()


def training_mode() -> nn.Module:
    return InTraining()


def a_constant() -> nn.Module:
    return Variant(after=constant)


def nan_at_one_image() -> nn.Module:
    return NanAtOne()


def straight_through() -> nn.Module:
    return Variant(before=StraightThrough.apply)
