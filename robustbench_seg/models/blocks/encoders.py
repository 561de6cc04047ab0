"""Encoders: timm backbones that return their feature pyramid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.registry import one_line, unknown

SAFE_ARGS = (
    "channels",
    "drop_path_rate",
    "drop_rate",
    "layers",
    "out_indices",
    "output_stride",
    "stem_type",
    "stem_width",
)
"""What a card may hand to timm; others (checkpoint_path, pretrained_cfg) would make it fetch or open files."""


class Encoder(nn.Module):
    """A timm backbone; forward returns features fine to coarse, at strides `reductions` with `channels`."""

    def __init__(self, name: str, args: Mapping[str, Any], in_channels: int = 3) -> None:
        """Builds `timm.create_model(name, features_only=True, **args)` without pretrained weights."""
        super().__init__()
        # A name with a scheme such as hf-hub: would be downloaded.
        if not timm.is_model(name) or ":" in name:
            raise InputError(unknown("encoder", name, timm.list_models(), "timm.list_models()"))
        for key in args:
            if key not in SAFE_ARGS:
                raise InputError(f"encoder_args: {unknown('key', key, SAFE_ARGS)}; correct or remove it")
        try:
            self.body: nn.Module = timm.create_model(
                name, pretrained=False, features_only=True, in_chans=in_channels, **args
            )
        except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"encoder {name!r} cannot be built with {dict(args)}: {one_line(error)}") from None
        info: Any = self.body.feature_info
        self.channels: tuple[int, ...] = tuple(info.channels())
        self.reductions: tuple[int, ...] = tuple(info.reduction())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of normalised images (N,3,H,W), H and W multiples of 32."""
        features: list[Tensor] = self.body(images)
        return features
