"""BatchNorm folding: the same function, and no fold where another reader would see another tensor."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models import folding
from robustbench_seg.models.folding import fold, same_outputs

IMAGES = torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(0))


def _norm(channels: int) -> nn.BatchNorm2d:
    """With statistics that an identity would not hide."""
    norm = nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(channels)
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean):
        tensor.copy_(torch.randn(channels, generator=generator))
    norm.running_var.copy_(torch.rand(channels, generator=generator) + 0.5)
    return norm


class Net(nn.Module):
    """Subclasses say how convolution and norm are read."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = _norm(4)
        self.eval().requires_grad_(False)

    def forward(self, x):
        return {"semantic": self.read(x)}

    def read(self, x):
        return F.relu(self.norm(self.convolution(x)))


class Skip(Net):
    def read(self, x):
        y = self.convolution(x)
        return self.norm(y) + y


class Functional(Net):
    def read(self, x):
        y = self.convolution(x)
        return F.relu(self.norm(y)) + F.avg_pool2d(y, 3, 1, 1)


class Returned(Net):
    def forward(self, x):
        y = self.convolution(x)
        return {"semantic": self.norm(y), "before": y}


class Twice(Net):
    def read(self, x):
        y = self.norm(self.convolution(x))
        return self.norm(self.convolution(y[:, :3]))


class Kept(Net):
    """The convolution's output is read through an attribute, later."""

    def read(self, x):
        self.seen = self.convolution(x)
        return self.norm(self.seen).relu() * self.seen.mean()


class Between(Net):
    def read(self, x):
        return self.norm(F.relu(self.convolution(x)))


def folded(module: nn.Module, images) -> nn.Module:
    before = norms(module)
    assert fold(module, images) == before - norms(module)
    return module


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def same(a, b) -> None:
    for key, value in a.items():
        torch.testing.assert_close(b[key], value, rtol=1e-4, atol=1e-5)


def test_a_norm_that_alone_reads_a_convolution_is_gone():
    net = Net()
    expected = net(IMAGES)
    fast = folded(copy.deepcopy(net), IMAGES)
    assert norms(fast) == 0
    same(expected, fast(IMAGES))
    weight = net.norm.weight / (net.norm.running_var + net.norm.eps).sqrt()
    torch.testing.assert_close(fast.convolution.weight, net.convolution.weight * weight.view(-1, 1, 1, 1))


@pytest.mark.parametrize("kind", [Skip, Functional, Returned, Twice, Kept, Between])
def test_where_another_reads_it_nothing_is_folded(kind):
    net = kind()
    expected = net(IMAGES)
    fast = folded(copy.deepcopy(net), IMAGES)
    assert norms(fast) == 1
    same(expected, fast(IMAGES))


def test_a_norm_that_does_more_is_left():
    class Louder(nn.BatchNorm2d):
        def forward(self, x):
            return 2 * super().forward(x)

    net = Net()
    net.norm.__class__ = Louder
    assert norms(folded(copy.deepcopy(net), IMAGES)) == 1


def test_a_convolution_under_two_names_is_left():
    net = Net()
    net.again = net.convolution
    assert norms(folded(copy.deepcopy(net), IMAGES)) == 1


def test_a_fold_that_changes_the_outputs_is_not_used(monkeypatch):
    """Whatever a net does that watching does not see."""
    monkeypatch.setattr(folding, "_pairs", lambda net, x: [("convolution", "norm")])
    net = Skip()
    assert not same_outputs(net, folded(copy.deepcopy(net), IMAGES), IMAGES)
    assert Execution().prepare(net, IMAGES) == (net, False)
    assert norms(net) == 1


class Hooked(Net):
    """The norm's output is read through a hook, as feature extractors do."""

    def __init__(self) -> None:
        super().__init__()
        self.norm.register_forward_hook(self.keep)

    def keep(self, module, given, output):
        self.kept = output

    def read(self, x):
        return self.norm(self.convolution(x)).relu() + self.kept


class Elsewhere(Net):
    """A hook that a copy shares with the original: it writes where the original looks."""

    def __init__(self) -> None:
        super().__init__()
        kept = self.found = {}
        self.convolution.register_forward_hook(lambda module, given, output: kept.update(last=output))

    def read(self, x):
        y = self.norm(self.convolution(x)).relu()
        return y + self.found.get("last", 0 * y)


def test_a_member_with_hooks_is_left():
    net = Hooked()
    expected = net(IMAGES)
    module, is_folded = Execution().prepare(net, IMAGES)
    assert not is_folded
    assert norms(module) == 1
    other = IMAGES.flip(0)
    same(net(other), module(other))
    same(expected, net(IMAGES))


def test_a_copy_that_looks_elsewhere_is_not_used():
    net = Elsewhere()
    net(torch.zeros_like(IMAGES))
    assert Execution().prepare(net, IMAGES) == (net, False)


@pytest.mark.parametrize("name", ["street-multi", "street-uninet", "camvid-mobilenetv2", "street-padnet"])
def test_shipped_networks_are_folded(name):
    model = ModelSpec(name).load().module
    images = torch.rand(1, 3, 96, 192, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(images)
        module, _ = Execution().prepare(model, images)
        found = module(images)
    assert norms(module) <= 2 < norms(model)
    torch.testing.assert_close(found["semantic"], expected["semantic"], rtol=1e-3, atol=1e-3)


def test_plain_is_the_module_itself():
    net = Net()
    assert Execution(plain=True).prepare(net, IMAGES) == (net, False)


def test_a_network_that_cannot_be_copied_runs_as_it_is():
    net = Net()
    net.file = (line for line in ())
    assert Execution().prepare(net, IMAGES) == (net, False)
