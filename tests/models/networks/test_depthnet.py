"""Depth networks with and without a guide: what guidance adds, where gradients flow, and what is wrong in one line."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.base import restricted
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.blocks.packing import Lift
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from tests.models.networks.nano import ENCODER

DEPTH, BOTH = (NetworkRequest(tasks, 5, PRESETS["none"]) for tasks in (("depth",), ("semantic", "depth")))
FPN = {**ENCODER, "width": 8}
GUIDE = {"name": "fpn", "parameters": FPN, "width": 8, "groups": 2}
NANO = {
    "monodepth2": {**ENCODER, "widths": [12, 12, 8, 8, 8]},
    "packnet": {"widths": [4, 4, 8, 8, 8], "blocks": [1, 1, 2, 1], "features": 2, "groups": 2},
}
EACH = pytest.mark.parametrize("name", NANO)


def make(name, request=DEPTH, **changes):
    torch.manual_seed(0)
    return build(name, {**NANO[name], **changes}, request, "test")


@EACH
@pytest.mark.parametrize("size", [(1, 1), (31, 65), (64, 96)])
def test_outputs_at_any_size_and_coarser_ones_while_training(name, size):
    net = make(name, BOTH, guide=GUIDE)
    outputs = net.eval()(torch.rand(2, 3, *size))
    assert {key: value.shape for key, value in outputs.items()} == {"depth": (2, *size), "semantic": (2, 5, *size)}
    assert (outputs["depth"] > 0).all()
    deep = net.train()(torch.rand(2, 3, *size))["deep"]
    expected = [tuple(-(-side // stride) for side in size) for stride in (8, 4, 2)]
    assert [level["depth"].shape[1:] for level in deep] == expected


def test_packnet_has_the_size_that_its_authors_give():
    """About 128 M parameters: https://github.com/TRI-ML/packnet-sfm/issues/106."""
    with torch.device("meta"):
        net = build("packnet", {}, DEPTH, "test")
    assert round(sum(p.numel() for p in net.parameters()) / 1e6) == 128


def test_the_resnet_network_has_the_size_of_its_parts():
    """ResNet-18 without its classifier has 11 176 512; a stage has two convolutions, a scale one to a channel."""
    with torch.device("meta"):
        net = build("monodepth2", {}, DEPTH, "test")
    widths, skips, before = [256, 128, 64, 32, 16], [256, 128, 64, 64, 0], [512, 256, 128, 64, 32]
    decoder = sum(9 * w * (b + w + s) + 2 * w for w, s, b in zip(widths, skips, before, strict=True))
    heads = sum(9 * w + 1 for w in widths[1:])
    assert sum(p.numel() for p in net.parameters()) == 11_176_512 + decoder + heads


def test_depth_may_be_as_far_as_infinity_and_as_near_as_the_network_says():
    for name, nearest, farthest in (("monodepth2", 0.1, 100), ("packnet", 0.5, 1e6)):
        net = make(name).eval()
        for bias, metres in ((100.0, nearest), (-100.0, farthest)):
            nn.init.zeros_(net.decoder.heads[-1].weight)
            nn.init.constant_(net.decoder.heads[-1].bias, bias)
            depth = net(torch.rand(1, 3, 64, 64))["depth"]
            torch.testing.assert_close(depth, torch.full_like(depth, metres), rtol=1e-3, atol=0)


def test_a_lift_is_a_convolution_in_three_dimensions():
    lift, solid = Lift(4), nn.Conv3d(1, 4, 3, padding=1)
    solid.load_state_dict({"weight": lift.weight.unsqueeze(1), "bias": lift.bias})
    x = torch.randn(2, 6, 5, 4)
    torch.testing.assert_close(lift(x), solid(x.unsqueeze(1)).flatten(1, 2))


def test_each_of_packnets_finer_scales_sees_the_one_before():
    net = make("packnet").train()
    images = torch.rand(1, 3, 64, 64)
    before = net(images)["depth"]
    nn.init.constant_(net.decoder.heads[0].bias, 3.0)
    assert not torch.equal(net(images)["depth"], before)


@EACH
def test_guidance_off_is_the_unguided_network(name):
    plain, guided = make(name).eval(), make(name, guide=GUIDE).eval()
    shared = plain.state_dict()
    # Of one seed they start from the same weights.
    assert all(torch.equal(value, guided.state_dict()[key]) for key, value in shared.items())
    images = torch.rand(1, 3, 64, 96)
    expected = plain(images)["depth"]
    assert not torch.allclose(guided(images)["depth"], expected, rtol=1e-5)
    wide = copy.deepcopy(guided)
    for stage in wide.guidance:
        nn.init.constant_(stage.log_sigma, 20.0)
    torch.testing.assert_close(wide(images)["depth"], expected)
    guided.guidance = nn.ModuleList()
    assert torch.equal(guided(images)["depth"], expected)


@EACH
def test_every_stage_is_guided_by_the_level_as_fine_as_it_or_the_next_coarser_one(name):
    guided = make(name, guide=GUIDE)
    # The pyramid's levels are at strides 4, 8, 16 and 32, the stages at 16, 8, 4, 2 and 1.
    assert [stage.level for stage in guided.guidance] == [2, 1, 0, 0, 0]
    filters = NANO[name]["widths"] if name == "monodepth2" else NANO[name]["widths"][::-1]
    assert [stage.log_sigma.numel() for stage in guided.guidance] == filters
    images = torch.rand(1, 3, 64, 96)
    for index in range(5):
        nets = [copy.deepcopy(guided).eval() for _ in range(2)]
        nn.init.constant_(nets[1].guidance[index].log_sigma, 20.0)
        assert not torch.equal(*(net(images)["depth"] for net in nets))


@EACH
def test_the_guides_segmentation_is_that_of_the_semantic_network(name):
    net = make(name, BOTH, guide={**GUIDE, "normalization": "half"}).eval()
    alone = build("fpn", FPN, NetworkRequest(("semantic",), 5, PRESETS["half"]), "test").eval()
    alone.load_state_dict(net.guide.state_dict())
    images = torch.rand(1, 3, 50, 70)
    torch.testing.assert_close(net(images)["semantic"], alone(images)["semantic"])


@EACH
def test_a_restricted_network_shares_weights(name):
    net = make(name, BOTH, guide=GUIDE).eval()
    images = torch.rand(1, 3, 64, 64)
    whole = net(images)
    for task in ("semantic", "depth"):
        alone = restricted(net, [task])
        assert alone.guide is net.guide
        outputs = alone(images)
        assert set(outputs) == {task}
        assert torch.equal(outputs[task], whole[task])
    assert set(net(images)) == {"semantic", "depth"}


def exact(name, gradients):
    """A network in float64 whose kernels are neither so narrow nor so wide that nothing flows through them."""
    net = make(name, guide={**GUIDE, "gradients": gradients}).double().eval().requires_grad_(False)
    for stage in net.guidance:
        nn.init.constant_(stage.log_sigma, math.log(2.0))
    return net


def gradient(net, images):
    images = images.clone().requires_grad_()
    return torch.autograd.grad(net(images)["depth"].log().sum(), images)[0]


@EACH
def test_gradients_reach_the_image_through_the_guide_and_past_it(name):
    """Both ways, against finite differences; each way alone, of which both are the sum."""
    torch.manual_seed(1)
    images, direction = torch.rand(1, 3, 64, 64).double(), torch.randn(1, 3, 64, 64).double()
    nets = {way: exact(name, way) for way in ("both", "guide", "depth")}
    assert len({net(images)["depth"].sum().item() for net in nets.values()}) == 1
    both, guide, depth = (gradient(net, images) for net in nets.values())
    torch.testing.assert_close(both, guide + depth, rtol=1e-8, atol=1e-12)
    assert guide.abs().max() > 1e-3 * both.abs().max()
    assert depth.abs().max() > 1e-3 * both.abs().max()

    def difference(change):
        step = 1e-6
        ahead, behind = (nets["both"](images + sign * step * change)["depth"].log().sum() for sign in (1, -1))
        return (ahead - behind) / (2 * step)

    def through_the_guide_alone(change):
        step = 1e-6
        values = []
        for sign in (1, -1):
            hook = nets["both"].guide.encoder.register_forward_pre_hook(
                lambda _, given, moved=sign * step * change: (given[0] + moved,)
            )
            values.append(nets["both"](images)["depth"].log().sum())
            hook.remove()
        return (values[0] - values[1]) / (2 * step)

    torch.testing.assert_close((both * direction).sum(), difference(direction), rtol=1e-4, atol=0)
    torch.testing.assert_close((guide * direction).sum(), through_the_guide_alone(direction), rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("name", "tasks", "changes", "message"),
    [
        ("packnet", ("semantic", "depth"), {}, "no head for task 'semantic'; the network's tasks are depth$"),
        ("monodepth2", ("edges",), {"guide": GUIDE}, "no head for task 'edges'; .* are depth, semantic$"),
        ("packnet", ("depth",), {"guide": {**GUIDE, "name": "fpm"}}, "guide: unknown network 'fpm'; did you mean fpn"),
        ("packnet", ("depth",), {"guide": {**GUIDE, "name": "klingner", "parameters": {}}}, "no feature pyramid; use"),
        ("packnet", ("depth",), {"guide": {**GUIDE, "parameters": {"widht": 8}}}, "did you mean width"),
        ("packnet", ("depth",), {"guide": {**GUIDE, "normalization": "imagnet"}}, "normalisation 'imagnet'"),
        ("packnet", ("depth",), {"guide": {**GUIDE, "gradients": "none"}}, "gradients: must be one of both, guide"),
        ("packnet", ("depth",), {"guide": {**GUIDE, "groups": 3}}, "num_channels"),
        ("packnet", ("depth",), {"widths": [4, 4, 8]}, "widths, blocks: must be 5 and 4, not 3 and 4"),
        ("packnet", ("depth",), {"features": 3}, "features: 3 do not divide four times a width of 8"),
        ("packnet", ("depth",), {"groups": 16}, "num_channels"),
        ("monodepth2", ("depth",), {"encoder_args": {"output_stride": 8}}, "leave output_stride out"),
        ("monodepth2", ("depth",), {"encoder_args": {**ENCODER["encoder_args"], "norm_groups": 3}}, "num_channels"),
    ],
)
def test_what_cannot_be_built_is_one_line(name, tasks, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        make(name, NetworkRequest(tasks, 5, PRESETS["none"]), **changes)
    assert str(caught.value).startswith("test: ")
    assert "\n" not in str(caught.value)


def test_an_encoder_may_have_group_normalisation_throughout():
    encoder = Encoder("resnet18", {**ENCODER["encoder_args"], "norm_groups": 4})
    assert not [part for part in encoder.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert {part.num_groups for part in encoder.modules() if isinstance(part, nn.GroupNorm)} == {4}
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(encoder(images)[-1][:1], encoder(images[:1])[-1])
