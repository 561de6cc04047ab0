from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkParameters, NetworkRequest
from robustbench_seg.models.networks.build import build, check_forward, parameters_within
from robustbench_seg.models.registry import NETWORKS

BOTH = NetworkRequest(("semantic", "depth"), 7, PRESETS["imagenet"])


@dataclass(frozen=True)
class Tall(NetworkParameters):
    """Linear layers of `width`, `depth` of them, or one and the same `depth` times."""

    width: int = 10
    depth: int = 1
    tied: bool = False

    def build(self, request: NetworkRequest) -> nn.Module:
        first = nn.Linear(self.width, self.width, bias=False)
        return nn.Sequential(*(first if self.tied else nn.Linear(self.width, self.width) for _ in range(self.depth)))


@pytest.fixture
def tall(monkeypatch):
    monkeypatch.setitem(NETWORKS._all(), "tall", None)
    del NETWORKS._all()["tall"]
    NETWORKS.register("tall")(Tall)
    return "tall"


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("klingnr", {}, "unknown network 'klingnr'; did you mean klingner"),
        ("klingner", {"width": [1]}, "did you mean widths"),
        ("klingner", {"widths": 3}, "must be a list"),
        ("klingner", {"widths": []}, r"widths: \[\] for an encoder of 5 levels"),
        ("klingner", {"widths": [8] * 6}, "widths: .* for an encoder of 5 levels"),
        ("klingner", {"widths": [8, 0]}, r"widths\[1\]: must be from 1 to 65536, not 0"),
        ("klingner", {"head_kernel": 2}, "head_kernel: must be one of 1, 3, 5, 7, not 2"),
        ("klingner", {"encoder": "hf-hub:someone/model"}, "unknown encoder"),
        ("klingner", {"encoder": "local-dir:/tmp"}, "unknown encoder"),
        ("klingner", {"encoder_args": {"checkpoint_path": "evil.pth"}}, "checkpoint_path"),
        ("fpn", {"width": -1}, "width: must be from 1 to 65536, not -1"),
        ("fpn", {"skip_finest": -1}, "skip_finest: must be from 0 to 8, not -1"),
        ("fpn", {"skip_finest": 5}, "skip_finest: 5 leaves none of the 5 levels of mobilenetv2_100"),
        ("fpn", {"head_kernel": -1}, "head_kernel: must be one of"),
    ],
)
def test_bad_parameters_are_one_line(name, parameters, message):
    with pytest.raises(InputError, match=message) as caught:
        build(name, parameters, BOTH, "card.toml")
    assert str(caught.value).startswith("card.toml: ")
    assert "\n" not in str(caught.value)


def test_unknown_task(nano):
    with pytest.raises(InputError, match="test: no head for task 'flow'"):
        build("klingner", nano, NetworkRequest(("flow",), 1, PRESETS["none"]), "test")


@pytest.mark.parametrize(
    "parameters",
    [{"width": 20_000}, {"width": 4000, "depth": 100_000}, {"width": 10**6}],
    ids=["wide", "deep", "more than there is memory"],
)
def test_a_network_that_outgrows_its_weights_is_refused(tall, parameters):
    with pytest.raises(InputError, match=r"more than its weights|memory"), parameters_within(10**6):
        build(tall, parameters, BOTH, "card.toml")


def test_what_fits_is_built_and_a_tied_weight_counts_once(tall):
    with parameters_within(4_000_000):
        module = build(tall, {"width": 2000, "depth": 100, "tied": True}, BOTH, "card.toml")
    assert sum(p.numel() for p in module.parameters()) == 4_000_000
    assert nn.Linear(8000, 8000).weight.numel() == 64_000_000, "without the context any size goes"


def test_a_network_that_fits_no_image_is_one_line():
    module = nn.Conv2d(4, 2, 3)
    with pytest.raises(InputError, match=r"card.toml: the network cannot take an image: .+") as caught:
        check_forward(module, "card.toml")
    assert "\n" not in str(caught.value)


def test_a_network_that_takes_an_image_is_left_in_eval_mode(nano):
    module = build("klingner", nano, BOTH, "card.toml")
    before = {key: value.clone() for key, value in module.state_dict().items()}
    check_forward(module, "card.toml")
    assert not module.training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
