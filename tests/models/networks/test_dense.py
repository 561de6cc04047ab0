"""What all dense multi-task networks have in common."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from robustbench_seg.tasks.depth import FAR, NEAR
from tests.models.networks.nano import AUXILIARY, FIVE, NANO, make, randomised

DEEP = {
    "mtl": (),
    "padnet": (2,),
    "mtinet": (4, 8, 16, 32),
    "mtan": (),
    "crossstitch": (),
    "deeplab": (),
    "densemtl": (4, 2),
}
"""The strides of what is predicted on the way."""
every_network = pytest.mark.parametrize("name", NANO)


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
        auxiliary = NANO[name].get("auxiliary", ())
        assert set(level) == {"semantic", "depth", *auxiliary}
        assert level["semantic"].shape == (2, 5, height, width)
        assert level["depth"].shape == (2, height, width)
        assert level["depth"].min() >= NEAR
        if auxiliary:
            assert level["edges"].shape == (2, height, width)
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
        # Unit vectors have a mean square without a gradient.
        loss = loss + sum(value.square().mean() + value.sum(1).mean() for value in level.values())
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
