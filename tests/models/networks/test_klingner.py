from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.base import restricted
from robustbench_seg.models.blocks.normalization import PRESETS, Normalization
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build

BOTH = NetworkRequest(("semantic", "depth"), 7, PRESETS["imagenet"])


@pytest.mark.parametrize("size", [(1, 1), (31, 65), (64, 64), (97, 193)])
def test_any_size(nano, size):
    net = build("klingner", nano, BOTH, "test").eval()
    outputs = net(torch.rand(2, 3, *size))
    assert outputs["semantic"].shape == (2, 7, *size)
    assert outputs["depth"].shape == (2, *size)
    assert outputs["depth"].min() >= 0.1
    assert outputs["depth"].max() <= 100.001


def test_levels_that_the_decoder_does_not_fit_are_refused_by_their_key():
    with pytest.raises(InputError, match=r"encoder_args: \{'output_stride': 8\} gives .*; leave output_stride out"):
        build("klingner", {"encoder": "resnet18", "encoder_args": {"output_stride": 8}}, BOTH, "test")


def test_paper_network_has_the_published_size():
    # ResNet-18 without its classifier has 11 176 512 parameters, monodepth2's decoder convolutions 3 150 880.
    net = build("klingner", {}, NetworkRequest(("depth",), 1, PRESETS["none"]), "test")
    decoder = sum(p.numel() for p in net.decoders.parameters())
    assert sum(p.numel() for p in net.encoder.parameters()) == 11_176_512
    widths, skips, before = [256, 128, 64, 32, 16], [256, 128, 64, 64, 0], [512, 256, 128, 64, 32]
    expected = sum(9 * w * (b + w + s) + 2 * w for w, s, b in zip(widths, skips, before, strict=True))
    assert decoder == expected


def test_normalisation_is_inside_and_not_in_the_state(nano):
    torch.manual_seed(0)
    raw = build("klingner", nano, NetworkRequest(("semantic",), 3, PRESETS["none"]), "test").eval()
    own = Normalization((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    net = build("klingner", nano, NetworkRequest(("semantic",), 3, own), "test").eval()
    net.load_state_dict(raw.state_dict())
    assert not any("normalize" in key for key in net.state_dict())
    x = torch.rand(1, 3, 64, 64)
    by_hand = (x - torch.tensor(own.mean).view(3, 1, 1)) / torch.tensor(own.std).view(3, 1, 1)
    torch.testing.assert_close(net(x)["semantic"], raw(by_hand)["semantic"])


def test_gradient_reaches_the_image(nano):
    net = build("klingner", nano, BOTH, "test").eval().requires_grad_(False)
    x = torch.rand(1, 3, 40, 40, requires_grad=True)
    outputs = net(x)
    (grad,) = torch.autograd.grad(outputs["semantic"].square().mean() + outputs["depth"].mean(), x)
    assert grad.abs().sum() > 0


def test_a_restricted_network_shares_weights_and_leaves_heads_out(nano):
    net = build("klingner", nano, BOTH, "test").eval()
    alone = restricted(net, ["semantic"])
    image = torch.rand(1, 3, 64, 64)
    whole, part = net(image), alone(image)
    assert set(part) == {"semantic"}
    assert torch.equal(part["semantic"], whole["semantic"])
    assert set(net(image)) == {"semantic", "depth"}
    assert alone.encoder is net.encoder
    fewer = sum(p.numel() for p in alone.decoders.parameters())
    assert fewer < sum(p.numel() for p in net.decoders.parameters())
