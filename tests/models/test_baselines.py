"""The networks of UniNet 2021's table 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.attention import Distillation, GatedMessage
from robustbench_seg.models.blocks.deephead import Fuse, coarse, finished
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.catalogue.index import folders
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from robustbench_seg.models.networks.crossstitch import CrossStitch, CrossStitchNet, stages
from robustbench_seg.models.networks.mtan import StageAttention
from robustbench_seg.models.networks.mtinet import FeaturePropagation
from robustbench_seg.models.networks.mtl import MTLNet
from robustbench_seg.tasks.depth import FAR, NEAR
from robustbench_seg.tasks.registry import dense_tasks
from robustbench_seg.training.loop import build_module
from robustbench_seg.training.recipe import read_recipe

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
}
DEEP = {"mtl": (), "padnet": (2,), "mtinet": (4, 8, 16, 32), "mtan": (), "crossstitch": ()}
"""The strides of what is predicted on the way."""
TWO = NetworkRequest(("semantic", "depth"), 5, PRESETS["imagenet"])
FIVE = NetworkRequest(("semantic", "depth", "detection", "instance", "instance_depth"), 5, PRESETS["imagenet"])
LARGEST = {"nano": 3e6, "paper": 110e6}
RECIPES = sorted((Path(__file__).parents[2] / "models").glob("*/recipe.toml"))
every_network = pytest.mark.parametrize("name", NANO)


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


@pytest.mark.parametrize("size", [(1, 1), (31, 65), (97, 130)])
@every_network
def test_outputs_at_any_size(name, size):
    outputs = make(name).eval()(torch.rand(2, 3, *size))
    assert set(outputs) == {"semantic", "depth"}
    assert outputs["semantic"].shape == (2, 5, *size)
    assert outputs["depth"].shape == (2, *size)
    assert outputs["depth"].min() >= NEAR
    assert outputs["depth"].max() <= FAR


@every_network
def test_deep_supervision_only_while_training(name):
    net = make(name).train()
    levels = net(torch.rand(2, 3, 31, 65)).get("deep", ())
    assert len(levels) == len(DEEP[name])
    for level, stride in zip(levels, DEEP[name], strict=True):
        height, width = -(-31 // stride), -(-65 // stride)
        assert set(level) == {"semantic", "depth", *AUXILIARY}
        assert level["semantic"].shape == (2, 5, height, width)
        assert level["depth"].shape == level["edges"].shape == (2, height, width)
        assert level["depth"].min() >= NEAR
        assert level["normals"].shape == (2, 3, height, width)
        torch.testing.assert_close(level["normals"].square().sum(1), torch.ones(2, height, width))
    assert "deep" not in net.eval()(torch.rand(1, 3, 31, 65))


@every_network
def test_every_task_reaches_the_image(name):
    net = make(name).eval().requires_grad_(False)
    images = torch.rand(1, 3, 40, 70, requires_grad=True)
    outputs = net(images)
    for task in ("semantic", "depth"):
        (gradient,) = torch.autograd.grad(outputs[task].square().mean(), images, retain_graph=True)
        assert gradient.abs().sum() > 0


@every_network
def test_every_parameter_is_trained(name):
    net = make(name).train()
    outputs = net(torch.rand(2, 3, 64, 96))
    loss = outputs["semantic"].square().mean() + outputs["depth"].mean()
    for level in outputs.get("deep", ()):
        loss = loss + sum(value.square().mean() for value in level.values()) + level["normals"].sum(1).mean()
    loss.backward()
    idle = [key for key, parameter in net.named_parameters() if parameter.grad is None]
    assert idle == []


@every_network
def test_unknown_task(name):
    with pytest.raises(InputError, match="no head for task 'flow'"):
        make(name, NetworkRequest(("semantic", "flow"), 5, PRESETS["none"]))


@pytest.mark.parametrize("name", [name for name in NANO if name != "mtinet"])
def test_no_instance_head(name):
    with pytest.raises(InputError, match="no head for task 'detection'"):
        make(name, FIVE)


@pytest.mark.parametrize("name", ["padnet", "mtinet"])
@pytest.mark.parametrize(
    ("auxiliary", "message"),
    [(["flow"], "auxiliary task 'flow'"), (["depth"], "there already"), (["edges"] * 2, "once")],
)
def test_bad_auxiliary_tasks(name, auxiliary, message):
    with pytest.raises(InputError, match=message):
        make(name, auxiliary=auxiliary)


@pytest.mark.parametrize("name", ["padnet", "mtinet"])
def test_auxiliary_tasks_inform_the_others(name):
    net = make(name).eval()
    images = torch.rand(1, 3, 64, 64)
    before = net(images)["semantic"]
    randomised(net.initial["edges"] if name == "padnet" else net.scales[0].initial.refine["edges"])
    assert (net(images)["semantic"] - before).abs().max() > 1e-4


@pytest.mark.parametrize("skip_finest", [0, 1])
def test_instance_head_on_the_encoder(skip_finest):
    widths = [8] * (5 - skip_finest)
    net = make("mtinet", FIVE, instances=INSTANCES, skip_finest=skip_finest, widths=widths).eval()
    outputs = net(torch.rand(2, 3, 50, 90))
    assert set(outputs) == {"semantic", "depth", "instances"}
    # Of the image padded to 64x96, levels /4, /8, /16, or /8, /16, /32.
    strides = [4 << skip_finest << i for i in range(3)]
    assert outputs["instances"].locations.levels == tuple(64 // s * 96 // s for s in strides)
    assert outputs["instances"].codes.shape[2] == 4
    assert outputs["instances"].size == (50, 90)


def test_instances_alone_need_a_dense_task():
    with pytest.raises(InputError, match="add one of semantic"):
        make("mtinet", NetworkRequest(("detection",), 5, PRESETS["none"]))


def test_scales_must_fit_the_levels():
    with pytest.raises(InputError, match="cannot be built"):
        make("mtinet", widths=[8, 8])


@pytest.mark.parametrize(
    ("name", "auxiliary", "millions"),
    [("padnet", [], 18), ("padnet", AUXILIARY, 23), ("mtinet", [], 53), ("mtinet", AUXILIARY, 99)],
)
def test_paper_networks_have_about_the_published_size(name, auxiliary, millions):
    # UniNet 2021, table 1, column #P.
    with torch.device("meta"):
        net = build(
            name, {"auxiliary": auxiliary}, NetworkRequest(("semantic", "depth"), 19, PRESETS["imagenet"]), "test"
        )
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, rel=0.06)


def test_fusing_is_a_convolution_of_the_concatenation():
    fuse = randomised(Fuse((3, 5), 4))
    fine, coarse = torch.randn(2, 3, 8, 12), torch.randn(2, 5, 4, 6)
    up = F.interpolate(coarse, size=(8, 12), mode="bilinear", align_corners=False)
    kernel = torch.cat([reduce.weight for reduce in fuse.reduce], 1)
    expected = fuse.norm(F.conv2d(torch.cat([fine, up], 1), kernel)).relu()
    torch.testing.assert_close(fuse((fine, coarse)), expected)


def test_message_is_gated_by_its_own_source():
    message, x = GatedMessage(3), torch.randn(2, 3, 5, 5)
    value, gate = message[0].weight.chunk(2)
    expected = F.conv2d(x, value, padding=1) * F.conv2d(x, gate, padding=1).sigmoid()
    torch.testing.assert_close(message(x), expected)


def test_distillation_sums_the_other_tasks_messages():
    distil = Distillation(("a", "b"), ("a", "b", "c"), 3)
    maps = {task: torch.randn(1, 3, 4, 4) for task in "abc"}
    messages = distil.messages["a"]
    expected = maps["a"] + messages["b"](maps["b"]) + messages["c"](maps["c"])
    found = distil(maps)
    assert set(found) == {"a", "b"}
    torch.testing.assert_close(found["a"], expected)


def test_propagation_weighs_tasks_by_a_softmax():
    propagate = FeaturePropagation(4, ("a", "b")).eval()
    # A mixture of zeros weighs both tasks by a half, whatever the maps.
    torch.nn.init.zeros_(propagate.mix[-1].weight)
    torch.nn.init.zeros_(propagate.mix[-1].bias)
    maps = {task: torch.rand(2, 4, 3, 3) for task in "ab"}
    shared = propagate.reduce(0.5 * torch.cat([maps["a"], maps["b"]], 1))
    found = propagate(maps)
    for task in "ab":
        torch.testing.assert_close(found[task], propagate.excite[task](shared) + maps[task])


def test_propagation_can_favour_a_task():
    propagate = FeaturePropagation(4, ("a", "b")).eval()
    torch.nn.init.zeros_(propagate.mix[-1].weight)
    propagate.mix[-1].bias.data = torch.tensor([100.0] * 4 + [0.0] * 4)
    maps = {task: torch.rand(2, 4, 3, 3) for task in "ab"}
    shared = propagate.reduce(torch.cat([maps["a"], torch.zeros(2, 4, 3, 3)], 1))
    torch.testing.assert_close(propagate(maps)["b"], propagate.excite["b"](shared) + maps["b"])


def test_open_masks_leave_the_features():
    attention = StageAttention((4, 8)).eval()
    for mask in attention:
        torch.nn.init.constant_(mask[2].bias, 100.0)
    features = [torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)]
    refine = torch.nn.ModuleList([torch.nn.Conv2d(4, 8, 1)])
    for kept, x in zip(attention(features, refine), features, strict=True):
        torch.testing.assert_close(kept, x)


def test_attention_hands_on_what_the_task_kept():
    attention, refine = randomised(StageAttention((4, 8))), torch.nn.ModuleList([torch.nn.Conv2d(4, 8, 1)])
    fine, coarse = torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)
    first = attention[0](fine) * fine
    handed = F.max_pool2d(refine[0](first), 2)
    second = attention[1](torch.cat([coarse, handed], 1)) * coarse
    for kept, expected in zip(attention([fine, coarse], refine), [first, second], strict=True):
        torch.testing.assert_close(kept, expected)


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
        single = MTLNet(net.encoder[task], 8, skip_finest, (task,), 5, PRESETS["imagenet"]).eval()
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


def test_outputs_are_cropped_from_the_padded_image():
    raw = {"edges": torch.arange(8.0).view(1, 1, 2, 4)}
    tasks = dense_tasks()
    assert finished(tasks, raw, (2, 4), (1, 3))["edges"].tolist() == [[[0.0, 1.0, 2.0]]]
    # At half the image's size, five columns are two and a half cells; the half one stays.
    assert coarse(tasks, raw, (4, 8), (2, 5))["edges"].tolist() == [[[0.0, 1.0, 2.0]]]


@pytest.mark.parametrize("scale", ["nano", "paper"])
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_shipped_recipes_build(path, scale):
    recipe = read_recipe(path, scale)
    assert recipe.name == path.parent.name
    # Auxiliary tasks of the network and auxiliary losses of the recipe are the same ones.
    assert set(recipe.architecture.parameters.get("auxiliary", ())) == set(recipe.auxiliary)
    recipe = replace(recipe, architecture=replace(recipe.architecture, init=""))
    with torch.device("meta"):
        count = sum(p.numel() for p in build_module(recipe, 17).parameters())
    assert count < LARGEST[scale]


def test_folders_without_a_card_are_not_in_the_catalogue(tmp_path):
    (tmp_path / "untrained").mkdir()
    (tmp_path / "untrained" / "recipe.toml").write_text("")
    assert folders(tmp_path) == {}
