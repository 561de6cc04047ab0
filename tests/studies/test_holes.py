"""Holes are counted vehicle by vehicle, against maps that are known."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from robustbench_seg.models.base import LoadedModel
from robustbench_seg.street.convoy import Vehicle
from robustbench_seg.street.dataset import Street
from robustbench_seg.studies import holes as module
from robustbench_seg.studies.holes import holes, is_hole, listed_vehicles
from robustbench_seg.studies.mean_map import Constant

LISTED = (141, "e313b1e9ed964091")
"""How many vehicles there are, and the digest of which they are."""


def _mask(*columns):
    mask = np.zeros((2, 4), bool)
    mask[:, list(columns)] = True
    return mask


@pytest.mark.parametrize(
    ("times", "hole"), [((2.1, 2.1, 2.1), True), ((1.9, 1.9, 1.9), False), ((9, 9, 1), True), ((9, 1, 1), False)]
)
def test_most_of_it_is_over_twice_as_far_away(times, hole):
    truth = torch.full((2, 4), 10.0)
    predicted = truth.clone()
    predicted[:, :3] *= torch.tensor(times, dtype=torch.float32)
    assert is_hole(predicted, truth, _mask(0, 1, 2)) is hole
    assert not is_hole(predicted, truth, _mask(3))


def test_pixels_without_a_label_do_not_count():
    truth = torch.tensor([[10.0, 0.0, 0.0, 90.0]] * 2)
    predicted = torch.tensor([[10.0, 99.0, 99.0, 999.0]] * 2)
    assert not is_hole(predicted, truth, _mask(0, 1, 2, 3))


def test_depth_is_aligned_as_the_model_says():
    data = Street("street-b-traffic", "val", (48, 96), 1, cache=False)
    truth = torch.from_numpy(data[0].labels["depth"])
    near = (truth > 0) & (truth < truth[truth > 0].quantile(0.1))
    # So few that the median hardly moves.
    predicted = torch.where(near, 5 * truth, truth.clamp(min=1e-3))
    where = Vehicle(0, 0, near.numpy()), Vehicle(0, 1, ~near.numpy())
    for align, scale in (("none", 1.0), ("median", 0.01)):
        model = LoadedModel("far", Constant("depth", scale * predicted), ("depth",), data.classes, align, "", "test")
        assert list(holes(model, data, where)) == [True, False]


def test_vehicles_of_a_frame_share_its_forward():
    data = Street("street-b-traffic", "val", (48, 96), 2, cache=False)
    whole, seen = np.ones((48, 96), bool), []
    net = Constant("depth", torch.full((48, 96), 1e4))
    net.register_forward_hook(lambda *_: seen.append(None))
    model = LoadedModel("far", net, ("depth",), data.classes, "none", "", "test")
    assert list(holes(model, data, [Vehicle(index, 0, whole) for index in (0, 0, 1)])) == [True, True, True]
    assert len(seen) == 2


@pytest.mark.slow
def test_the_list_is_fixed():
    """What is counted today is what was counted before."""
    listed = listed_vehicles(Street("street-b-traffic", cache=False))
    names = " ".join(f"{vehicle.index}:{vehicle.number}" for vehicle in listed)
    assert (len(listed), hashlib.sha256(names.encode()).hexdigest()[:16]) == LISTED


def test_the_command_says_how_many(monkeypatch):
    monkeypatch.setattr(module, "listed_vehicles", lambda data: [])
    done = CliRunner().invoke(module.main, ["-m", "klingner-multi-0.1"])
    assert (done.exit_code, done.output.split(": ")[1][:17]) == (0, "0 of 0 vehicles a")
