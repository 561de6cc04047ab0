"""torchvision's segmentation networks, without weights."""

from __future__ import annotations

import torchvision.models
from torch import nn

from robustbench_seg.errors import UsageError
from robustbench_seg.models.sources.base import Source
from robustbench_seg.registry import unknown


class Torchvision(Source):
    """`torchvision:NAME`."""

    is_random = True

    def network(self, name: str, num_classes: int) -> nn.Module:
        """The network of that name; UsageError where torchvision has none."""
        known = torchvision.models.list_models(module=torchvision.models.segmentation)
        if name not in known:
            raise UsageError(unknown("torchvision segmentation model", name, known))
        # Without weights=None and weights_backbone=None torchvision would download some.
        net = torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=num_classes)
        assert isinstance(net, nn.Module)
        return net
