"""DenseMTL 2023's networks: where tasks exchange, and their size in print."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from tests.models.networks.nano import make

FOUR = ("semantic", "depth", "normals", "edges")


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def paper(name, tasks=FOUR[:2], **changes):
    with torch.device("meta"):
        return build(name, changes, NetworkRequest(tasks, 19, PRESETS["imagenet"]), "test")


def test_an_exchange_adds_what_the_paper_says():
    """Table 3: one block at scale 1 adds .77 M for two tasks and at scale 4, where maps are wider, 3.09 M."""
    without = parameters(paper("densemtl", exchange="none"))
    assert round((parameters(paper("densemtl")) - without) / 1e6, 2) == 0.77
    at_four = parameters(paper("densemtl", scales=[4])) - parameters(paper("densemtl", scales=[4], exchange="none"))
    assert round(at_four / 1e6, 2) == 3.09


def test_a_task_reaches_another_through_the_exchange_alone():
    images = torch.rand(1, 3, 64, 96)
    for exchange, reaches in (("none", False), ("gated", True), ("attention", True)):
        net = make("densemtl", exchange=exchange).eval()
        with torch.no_grad():
            before = net(images)["semantic"]
            # Not the same for all channels: a gate may be blind to that.
            for parameter in net.decoders["depth"].merge[0].parameters():
                parameter.add_(torch.linspace(0, 1, parameter.numel()).view_as(parameter))
            assert torch.equal(net(images)["semantic"], before) != reaches


def test_a_scale_without_maps_is_refused():
    with pytest.raises(InputError, match=r"scales: 5 is none of those .* last stage, which are 4, 3, 2, 1"):
        paper("densemtl", scales=[5], encoder="resnet18", encoder_args={})


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("densemtl", {}),
        ("densemtl", {"exchange": "gated", "scales": [2]}),
        ("densemtl", {"exchange": "none"}),
        ("deeplab", {}),
        ("padnet", {"encoder": "resnet101", "encoder_args": {"output_stride": 16}, "width": 256, "skip_finest": 4}),
    ],
)
def test_whole_networks_at_paper_width_take_an_image_of_cityscapes(name, changes):
    net = build(name, changes, NetworkRequest(FOUR[:3], 19, PRESETS["imagenet"]), "test").eval()
    with torch.no_grad():
        outputs = net(torch.rand(1, 3, 512, 1024))
    assert outputs["semantic"].shape == (1, 19, 512, 1024)
    assert all(value.isfinite().all() for value in outputs.values())
