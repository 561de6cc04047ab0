"""segmentation_models_pytorch: an architecture on an encoder, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

from robustbench_seg.errors import UsageError
from robustbench_seg.extras import library
from robustbench_seg.models.sources.base import Source
from robustbench_seg.registry import described, unknown

STRIDE = 32
"""Of nearly all encoders; sides that are no multiples are refused by most decoders."""
TIMM = "tu-"
"""What an encoder's name begins with that is one of timm's."""


class SMP(Source):
    """`smp:ARCH/ENCODER`, such as `smp:unet/resnet34` or, with an encoder of timm, `smp:unet/tu-convnext_tiny`."""

    is_random = True

    def options(self, name: str) -> Mapping[str, Any]:
        """Images are padded to multiples of the stride."""
        return {"pad_to": STRIDE}

    def network(self, name: str, num_classes: int) -> nn.Module:
        """The network with logits of so many classes; UsageError where an architecture or encoder is not known."""
        smp = library("segmentation_models_pytorch", "smp")
        arch, _, encoder = name.partition("/")
        if arch.lower() not in smp.MODEL_ARCHITECTURES_MAPPING:
            raise UsageError(unknown("architecture of smp", arch, smp.MODEL_ARCHITECTURES_MAPPING))
        if not encoder.startswith(TIMM) and encoder not in smp.encoders.get_encoder_names():
            known = unknown("encoder of smp", encoder, smp.encoders.get_encoder_names())
            raise UsageError(f"{known}; one of timm's is {TIMM}NAME, as in smp:{arch}/{TIMM}convnext_tiny")
        if encoder.startswith(TIMM) and not timm.is_model(encoder.removeprefix(TIMM)):
            raise UsageError(unknown("encoder of timm", encoder.removeprefix(TIMM), timm.list_models()))
        try:
            net = smp.create_model(arch, encoder, encoder_weights=None, classes=num_classes)
        except Exception as error:
            raise UsageError(f"smp:{name}: {described(error)}") from error
        assert isinstance(net, nn.Module)
        return net


class Timm(Source):
    """timm's networks classify images; smp puts a dense head on them."""

    def network(self, name: str, num_classes: int) -> nn.Module:
        """None: UsageError naming the source that has one."""
        raise UsageError(f"timm:{name}: timm's networks have no dense head; smp:unet/{TIMM}{name} puts one on it")
