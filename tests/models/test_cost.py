from __future__ import annotations

import pytest
import torch
from torch import nn

from robustbench_seg.models import cost
from robustbench_seg.models.cost import count_macs, measure_cost


def test_a_convolution_has_its_closed_form():
    net = nn.Conv2d(3, 8, 3, padding=1)
    assert count_macs(net, (10, 20)) == 10 * 20 * 8 * 3 * 9


def test_strided_grouped_and_linear_layers():
    net = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3), nn.Flatten(), nn.Linear(6 * 4 * 4, 5))
    assert count_macs(net, (8, 8)) == 4 * 4 * 6 * 9 + 6 * 4 * 4 * 5


def test_cost_leaves_the_model_as_it_was():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    measured = measure_cost(net, (8, 16), "cpu")
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert (measured.macs, measured.parameters) == (8 * 16 * 12, 24)
    assert measured.images_per_second > 0
    assert measured.joules is None
    assert "8x16: 0.000 GMAC" in measured.text()
    assert "energy not reported" in measured.text()


@pytest.mark.parametrize("size", [(75, 101), (96, 192)])
def test_catalogue_models_can_be_counted(size):
    from robustbench_seg.models.registry import MODELS

    assert count_macs(MODELS.get("street-multi")().module, size) > 1e7


@pytest.mark.parametrize(
    ("taken", "expected", "calls"),
    [
        ([0.03, 0.01, 0.02, 0.09, 0.01], 0.02, 6),
        ([0.15, 0.25], 0.2, 3),
        ([3.0], 3.0, 2),
    ],
)
def test_a_typical_time_is_a_median_after_a_warm_up(monkeypatch, taken, expected, calls):
    made, times = [], iter(taken)

    def seconds(work, device):
        work()
        return next(times)

    monkeypatch.setattr(cost, "seconds", seconds)
    assert cost.typical_seconds(lambda: made.append(1), "cpu") == pytest.approx(expected)
    assert len(made) == calls
