from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from robustbench_seg.models.networks.crossstitch import CrossStitch, CrossStitchNet, stages
from tests.models.networks.nano import ENCODER, TWO, make


def test_cross_stitch_starts_with_its_own():
    maps = [torch.full((1, 2, 1, 1), value) for value in (1.0, 10.0, 100.0)]
    found = torch.stack([x[0, 0, 0, 0] for x in CrossStitch(3, 2)(maps)])
    torch.testing.assert_close(found, torch.tensor([0.9 + 5.5, 9 + 5.05, 90 + 0.55]))


@pytest.mark.parametrize("skip_finest", [0, 1])
def test_identity_stitches_are_separate_networks(skip_finest):
    net = make("crossstitch", skip_finest=skip_finest).eval()
    for stitch in net.stitches:
        stitch.weight.data = torch.eye(2)[:, :, None].expand_as(stitch.weight).clone()
    images = torch.rand(2, 3, 64, 96)
    outputs = net(images)
    for task in TWO.tasks:
        single = make("mtl", replace(TWO, tasks=(task,)), skip_finest=skip_finest).eval()
        single.encoder.load_state_dict(net.encoder[task].state_dict())
        single.heads[task] = net.heads[task]
        torch.testing.assert_close(outputs[task], single(images)[task])


def test_stitched_tasks_share_and_separate_ones_do_not():
    net = make("crossstitch").eval()
    images = torch.rand(1, 3, 64, 64)

    def leak() -> float:
        net.zero_grad()
        net(images)["semantic"].square().mean().backward()
        weights = net.encoder["depth"].parameters()
        return sum(float(p.grad.abs().sum()) for p in weights if p.grad is not None)

    assert leak() > 0
    for stitch in net.stitches:
        stitch.weight.data = torch.eye(2)[:, :, None].expand_as(stitch.weight).clone()
    assert leak() == 0


@pytest.mark.parametrize("name", ["resnet18", "dla34"])
def test_encoder_in_stages(name):
    encoder = Encoder(name, {}).eval()
    x = images = torch.rand(1, 3, 64, 64)
    levels = []
    for stage in stages(encoder, name):
        for part in stage:
            x = encoder.body[part](x)
        levels.append(x)
    for level, expected in zip(levels, encoder(images), strict=True):
        torch.testing.assert_close(level, expected)


def test_encoder_without_stages():
    with pytest.raises(InputError, match=r"encoder 'mobilenetv2_100' .* resnet18"):
        build("crossstitch", {"encoder": "mobilenetv2_100"}, TWO, "test")


def test_cross_stitch_needs_company():
    with pytest.raises(InputError, match="at least two tasks"):
        make("crossstitch", NetworkRequest(("depth",), 5, PRESETS["none"]))


def test_encoders_are_found_by_name():
    net = make("crossstitch")
    assert isinstance(net, CrossStitchNet)
    own = sum(p.numel() for p in Encoder(ENCODER["encoder"], ENCODER["encoder_args"]).parameters())
    found = sum(p.numel() for key, p in net.named_parameters() if key.startswith("encoder."))
    assert found == 2 * own
