from dataclasses import replace

import pytest
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.check import check_model
from robustbench_seg.models.registry import MODELS


class Detached(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net(images.detach())


def test_a_model_that_can_be_attacked(monkeypatch):
    monkeypatch.setattr("robustbench_seg.models.cost.REPEATS", 1)
    text = "\n".join(check_model(MODELS.get("toy-multi")(), (16, 16), "cpu"))
    for part in ("toy-multi", "semantic: (11, 75, 101)", "depth: (75, 101)", "gradient at the input: RMS", "GMAC"):
        assert part in text


def test_a_model_without_a_gradient():
    model = MODELS.get("toy-single")()
    lines = check_model(replace(model, module=Detached(model.module)), (16, 16), "cpu")
    assert "gradient at the input: RMS 0" in lines


class Halved(nn.Module):
    """Adds what has gone down and up again by 8, which keeps multiples of 8 alone."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net(images + nn.functional.interpolate(nn.functional.avg_pool2d(images, 8), scale_factor=8))


def test_a_model_that_takes_the_size_of_the_data_alone():
    model = MODELS.get("toy-single")()
    halved = replace(model, module=Halved(model.module))
    lines = list(check_model(halved, (16, 24), "cpu"))
    assert "sizes: multiples of 8 alone; --pad-to 8 takes any" in lines
    assert "semantic: (11, 16, 24)" in "\n".join(lines)
    with pytest.raises(InputError, match=r"fails on an image of 12x24.*give --pad-to 8$"):
        list(check_model(halved, (12, 24), "cpu"))
