from __future__ import annotations

import pytest
import torch
from torch import nn

from robustbench_seg.models.freezing import frozen


class TroubleError(Exception):
    pass


def test_frozen_restores_mixed_modes_and_flags_after_an_exception():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.Dropout(), nn.Conv2d(4, 4, 1)))
    net[1].eval()
    net[2][0].eval()
    net[0].weight.requires_grad_(False)
    modes = [module.training for module in net.modules()]
    flags = [parameter.requires_grad for parameter in net.parameters()]
    assert sorted(set(modes)) == sorted(set(flags)) == [False, True]
    random = torch.get_rng_state()
    with pytest.raises(TroubleError), frozen(net):  # noqa: PT012
        assert not any(module.training for module in net.modules())
        assert not any(parameter.requires_grad for parameter in net.parameters())
        torch.rand(5)
        net[2].train()
        net[0].weight.requires_grad_(True)
        raise TroubleError
    assert [module.training for module in net.modules()] == modes
    assert [parameter.requires_grad for parameter in net.parameters()] == flags
    assert torch.equal(torch.get_rng_state(), random)


def test_frozen_calls_nest():
    net = nn.BatchNorm2d(3).train()
    with frozen(net):
        with frozen(net):
            pass
        assert not net.training
    assert net.training


def test_frozen_leaves_a_net_that_is_frozen_alone():
    class Observed(nn.Conv2d):
        calls = 0

        def train(self, mode: bool = True):
            Observed.calls += 1
            return super().train(mode)

    net = Observed(3, 3, 1).eval()
    before = Observed.calls
    with frozen(net):
        pass
    assert Observed.calls == before
