"""Every network of the multi-task baselines at a width that tests can afford."""

from __future__ import annotations

import torch

from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build

ENCODER = {
    "encoder": "resnet18",
    "encoder_args": {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "stem_type": "deep", "stem_width": 8},
}
AUXILIARY = ["normals", "edges"]
INSTANCES = {"width": 16, "convs": 1, "codes": 4, "limits": [12.0, 24.0]}
NANO = {
    "mtl": {"width": 8, "skip_finest": 0},
    "padnet": {"width": 8, "skip_finest": 0, "auxiliary": AUXILIARY},
    "mtinet": {"widths": [8, 8, 12, 12], "head": 8, "auxiliary": AUXILIARY},
    "mtan": {"width": 8, "skip_finest": 0},
    "crossstitch": {"width": 8},
    "deeplab": {"width": 8, "dilations": [1, 2, 3]},
    "densemtl": {"widths": [12, 12, 8, 8, 8], "dilations": [1, 2, 3], "scales": [1, 2]},
}
TWO = NetworkRequest(("semantic", "depth"), 5, PRESETS["imagenet"])
FIVE = NetworkRequest(("semantic", "depth", "detection", "instance", "instance_depth"), 5, PRESETS["imagenet"])


def make(name: str, request: NetworkRequest = TWO, **changes: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(name, {**ENCODER, **NANO[name], **changes}, request, "test")


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """Every parameter and statistic drawn anew, so that no part is neutral by its initial value."""
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            if value.is_floating_point():
                value.uniform_(0.1, 0.4)
    return module.eval()
