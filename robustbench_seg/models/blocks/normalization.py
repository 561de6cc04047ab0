"""Input normalisation: named presets, the `mean=…;std=…` spelling, and the module that applies it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustbench_seg.errors import UsageError

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Normalization:
    """Per-channel (x - mean) / std of an image in [0,1], channels in the order the network takes them."""

    mean: Triple
    std: Triple

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in self.std) or not all(map(math.isfinite, self.mean)):
            raise UsageError(f"normalisation mean {self.mean}, std {self.std}: must be finite, std above 0")

    @property
    def text(self) -> str:
        """As `parse` reads it."""
        mean, std = (",".join(map(str, values)) for values in (self.mean, self.std))
        return f"mean={mean};std={std}"

    @classmethod
    def parse(cls, text: str) -> Normalization:
        """A preset's name (imagenet, half, none, …) or `mean=r,g,b;std=r,g,b`."""
        if text in PRESETS:
            return PRESETS[text]
        fields = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        if set(fields) != {"mean", "std"}:
            raise UsageError(f"normalisation {text!r}: use {', '.join(PRESETS)} or mean=r,g,b;std=r,g,b")
        return cls(_triple(fields["mean"], text), _triple(fields["std"], text))


PRESETS = {
    "imagenet": Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # monodepth2 and DenseMTL 2023: (x - 0.45) / 0.225.
    "half": Normalization((0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
    "none": Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    # UniNet 2021, Cityscapes statistics.
    "uninet": Normalization((0.2869, 0.3251, 0.2839), (0.1870, 0.1902, 0.1872)),
}


class Normalize(nn.Module):
    """Applies a `Normalization` to images (N,3,H,W) in [0,1]; its buffers stay out of the state dict."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        self.normalization = normalization
        self.register_buffer("mean", torch.tensor(normalization.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(normalization.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The normalised images, same shape."""
        return (images - self.mean) / self.std


def _triple(text: str, whole: str) -> Triple:
    try:
        red, green, blue = (float(value) for value in text.split(","))
    except ValueError:
        raise UsageError(f"normalisation {whole!r}: {text!r} must be three numbers such as 0.5,0.5,0.5") from None
    return red, green, blue
