"""Encoders: timm backbones that return their feature pyramid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Literal

import timm
from timm.layers.norm import GroupNorm
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import Normalization, Normalize
from robustbench_seg.models.blocks.resize import padded
from robustbench_seg.registry import one_line, unknown
from robustbench_seg.strict import Range, from_table

FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What torch and timm raise for parameters that fit nothing."""
_Count = Annotated[int, Range(1, 4096)]


@dataclass(frozen=True)
class EncoderArgs:
    """What a card may pass to timm; None is timm's default.

    Others (checkpoint_path, pretrained_cfg) would make it fetch or open files, or have no effect on features
    (drop_rate). `norm_groups` says that GroupNorm of as many groups takes BatchNorm's place.
    """

    channels: tuple[_Count, ...] | None = None
    layers: tuple[Annotated[int, Range(1, 256)], ...] | None = None
    stem_width: _Count | None = None
    stem_type: Literal["", "deep", "deep_tiered"] | None = None
    drop_path_rate: Annotated[float, Range(0, 0.99)] | None = None
    out_indices: tuple[Annotated[int, Range(0, 16)], ...] | None = None
    output_stride: Literal[8, 16, 32] | None = None
    norm_groups: _Count | None = None


class Encoder(nn.Module):
    """A timm backbone; forward returns features fine to coarse, at strides `reductions` with `channels`."""

    def __init__(self, name: str, args: Mapping[str, Any], in_channels: int = 3) -> None:
        """Builds `timm.create_model(name, features_only=True, **args)` without pretrained weights."""
        super().__init__()
        # A name with a scheme such as hf-hub: would be downloaded.
        if not timm.is_model(name) or ":" in name:
            raise InputError(unknown("encoder", name, timm.list_models(), "timm.list_models()"))
        checked = asdict(from_table(EncoderArgs, args, "encoder_args"))
        groups = checked.pop("norm_groups")
        if groups is not None:
            checked["norm_layer"] = partial(GroupNorm, num_groups=groups)
        given = {key: value for key, value in checked.items() if value is not None}
        try:
            self.body: nn.Module = timm.create_model(
                name, pretrained=False, features_only=True, in_chans=in_channels, **given
            )
        except FAULTS as error:
            raise InputError(f"encoder {name!r} cannot be built with {dict(args)}: {one_line(error)}") from None
        info: Any = self.body.feature_info
        self.channels: tuple[int, ...] = tuple(info.channels())
        self.reductions: tuple[int, ...] = tuple(info.reduction())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of normalised images (N,3,H,W), H and W multiples of 32."""
        features: list[Tensor] = self.body(images)
        return features


class ImageEncoder(Encoder):
    """An encoder of images (N,3,H,W) in [0,1] of any size, which it normalises and pads (`resize.padded`).

    It returns all levels but the `skip_finest` finest; `channels` and `reductions` are those of the levels returned.
    """

    def __init__(self, name: str, args: Mapping[str, Any], normalization: Normalization, skip_finest: int = 0) -> None:
        super().__init__(name, args)
        if skip_finest >= len(self.channels):
            raise InputError(f"skip_finest: {skip_finest} leaves none of the {len(self.channels)} levels of {name}")
        self.normalize = Normalize(normalization)
        self.skip_finest = skip_finest
        self.channels, self.reductions = self.channels[skip_finest:], self.reductions[skip_finest:]

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features, fine to coarse, of the padded image."""
        return super().forward(padded(self.normalize(images)))[self.skip_finest :]
