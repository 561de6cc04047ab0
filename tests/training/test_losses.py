"""Losses that arrive late."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.training import losses
from robustbench_seg.training.losses import Losses


class Late:
    """An arrival that is here when the next one has left, as from a device that lags by a step."""

    left = 0

    def __init__(self, tensor):
        Late.left += 1
        self.tensor, self.number, self.was_waited_for = tensor, Late.left, False

    def is_here(self):
        return Late.left > self.number

    def wait(self):
        self.was_waited_for = not self.is_here()
        if self.was_waited_for:
            Late.waits.append(self.number)
        return self.tensor


@pytest.fixture
def late(monkeypatch):
    """The numbers of the losses that were waited for."""
    Late.left, Late.waits = 0, []
    monkeypatch.setattr(losses, "Arrival", Late)
    return Late.waits


def test_on_a_cpu_a_loss_is_there_at_once():
    kept = Losses(0)
    assert kept.latest is None
    for value in (3.0, 0.1, 2.0):
        kept.add(torch.tensor(value))
        assert kept.latest == torch.tensor(value).item()
    assert kept.mean() == sum(torch.tensor([3.0, 0.1, 2.0]).tolist()) / 3
    kept.add(torch.tensor(5.0))
    assert kept.mean() == 5.0


def test_nobody_waits_before_the_row_is_due(late):
    kept = Losses(0)
    for value, latest in ((1.0, None), (2.0, 1.0), (6.0, 2.0)):
        kept.add(torch.tensor(value))
        assert kept.latest == latest
    assert late == []
    assert kept.mean() == 3.0
    assert late == [3]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_named_by_its_own_step(late, value):
    kept = Losses(40)
    kept.add(torch.tensor(1.0))
    kept.add(torch.tensor(value))
    with pytest.raises(InputError, match="not finite at step 41"):
        kept.add(torch.tensor(1.0))
    last = Losses(7)
    last.add(torch.tensor(value))
    with pytest.raises(InputError, match="not finite at step 7"):
        last.mean()
