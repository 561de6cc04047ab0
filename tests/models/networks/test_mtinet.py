from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.mtinet import FeaturePropagation
from tests.models.networks.nano import FIVE, INSTANCES, make


@pytest.mark.parametrize("skip_finest", [0, 1])
def test_instance_head_on_the_encoder(skip_finest):
    widths = [8] * (5 - skip_finest)
    net = make("mtinet", FIVE, instances=INSTANCES, skip_finest=skip_finest, widths=widths).eval()
    outputs = net(torch.rand(2, 3, 50, 90))
    assert set(outputs) == {"semantic", "depth", "instances"}
    # Of the image padded to 64x96, levels /4, /8, /16, or /8, /16, /32.
    strides = [4 << skip_finest << i for i in range(3)]
    sizes = [(level.rows, level.columns) for level in outputs["instances"].locations.levels]
    assert sizes == [(64 // s, 96 // s) for s in strides]
    assert outputs["instances"].codes.shape[2] == 4
    assert outputs["instances"].size == (50, 90)


def test_instances_alone_need_a_dense_task():
    with pytest.raises(InputError, match="add one of semantic"):
        make("mtinet", NetworkRequest(("detection",), 5, PRESETS["none"]))


def test_scales_must_fit_the_levels():
    with pytest.raises(InputError, match="cannot be built"):
        make("mtinet", widths=[8, 8])


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
