from __future__ import annotations

import torch

from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build


def test_mobilenet_pyramid():
    net = build(
        "fpn",
        {"encoder": "mobilenetv2_100", "width": 16},
        NetworkRequest(("semantic", "depth"), 7, PRESETS["imagenet"]),
        "test",
    ).eval()
    outputs = net(torch.rand(1, 3, 50, 70))
    assert outputs["semantic"].shape == (1, 7, 50, 70)
    assert outputs["depth"].shape == (1, 50, 70)
