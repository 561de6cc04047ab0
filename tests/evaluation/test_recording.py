"""Recorded gradients, on graphs that are made believe: operations on a CPU that are done again on the same memory."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.recording import Recorded
from tests.tasks.by_key import by_key


class Graph:
    """Operations with what they gave; a replay does them again and writes where they wrote."""

    def __init__(self):
        self.done = []

    def pool(self):
        return None

    def replay(self):
        with torch.no_grad():
            for func, arguments, named, given in self.done:
                again = func(*arguments, **named)
                for old, new in zip(_tensors(given), _tensors(again), strict=True):
                    if old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Recording(TorchDispatchMode):
    def __init__(self, graph, **options):
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = func(*args, **(kwargs or {}))
        self.graph.done.append((func, args, kwargs or {}, given))
        return given


def _tensors(value):
    return [part for part in (value if isinstance(value, (tuple, list)) else [value]) if isinstance(part, torch.Tensor)]


@pytest.fixture(autouse=True)
def _believed(monkeypatch):
    stream = SimpleNamespace(wait_stream=lambda other: None)
    cuda = {
        "CUDAGraph": Graph,
        "graph": Recording,
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda other: contextlib.nullcontext(),
        "device": lambda device: contextlib.nullcontext(),
    }
    for name, value in cuda.items():
        monkeypatch.setattr(torch.cuda, name, value)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 1)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return {"semantic": self.last(self.first(images).relu()), "depth": images.square().mean(1)}


LOSSES = [lambda out: out["semantic"].square().flatten(1).mean(1), lambda out: out["depth"].flatten(1).sum(1)]


@pytest.fixture
def nets():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net().eval().requires_grad_(False)
    recorded = Recorded(net)
    return [TargetModel(module, by_key("semantic", "depth")) for module in (net, recorded)], net


def images(seed, count=2):
    return torch.rand(count, 3, 6, 8, generator=torch.Generator().manual_seed(seed))


def test_a_replay_gives_what_the_model_gives(nets):
    (plain, recorded), net = nets
    for loss in LOSSES:
        expected = [plain.gradient(images(seed), loss) for seed in range(4)]
        found = [recorded.gradient(images(seed), loss) for seed in range(4)]
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(other, one)
    calls = net.calls
    recorded.gradient(images(9), LOSSES[0])
    assert net.calls == calls, "nothing but the graph is run"


def test_scores_and_other_sizes_are_run_as_they_are(nets):
    (plain, recorded), net = nets
    recorded.gradient(images(0), LOSSES[0])
    calls = net.calls
    for key, value in plain.outputs(images(1)).items():
        assert torch.equal(recorded.outputs(images(1))[key], value)
    assert torch.equal(recorded.gradient(images(1, 3), LOSSES[0]), plain.gradient(images(1, 3), LOSSES[0]))
    assert net.calls == calls + 2 + 2 + 1


def test_a_forward_keeps_what_it_gave_and_its_gradients_whatever_comes_after_it(nets):
    (plain, recorded), _ = nets
    passes = [recorded.forward_pass(images(seed)) for seed in range(3)]
    for seed, made in enumerate(passes):
        expected = plain.forward_pass(images(seed))
        for key, value in expected.outputs.items():
            torch.testing.assert_close(made.outputs[key], value)
        for loss in (*LOSSES, LOSSES[0]):
            torch.testing.assert_close(made.gradient(loss), expected.gradient(loss))


def test_a_backward_may_write_where_its_forward_had_kept_what_it_needs(nets, monkeypatch):
    (plain, recorded), net = nets
    recorded.gradient(images(9), LOSSES[0])
    recording, replay = recorded.module._recording, Graph.replay
    theirs = {tensor.data_ptr() for tensor in (*net.parameters(), recording._images)}

    def replay_and_spoil(graph):
        replay(graph)
        if graph is recording._backward:
            for *_, given in recording._forward.done:
                for tensor in _tensors(given):
                    if tensor.data_ptr() not in theirs:
                        tensor.data.fill_(torch.nan)

    monkeypatch.setattr(Graph, "replay", replay_and_spoil)
    made, expected = recorded.forward_pass(images(0)), plain.forward_pass(images(0))
    for loss in (LOSSES[0], LOSSES[0], LOSSES[1]):
        torch.testing.assert_close(made.gradient(loss), expected.gradient(loss))


def test_an_execution_records():
    module, _ = Execution(plain=True, graphs=True).prepare(Net().eval(), images(0))
    assert isinstance(module, Recorded)
    assert not module.training
    assert Execution(graphs=True).is_for_one_size
