"""Compiled models in a whole run; what is folded is tested with the models."""

import shutil

import pytest
import torch
from torch import nn

from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.protocol import AttackPlan, Protocol

FEW = Protocol("few", (AttackPlan("fgsm", (1.0, 4.0)),))


class Reusing(nn.Module):
    """Gives the same memory every time, and gradients too, as recorded CUDA graphs do."""

    def __init__(self):
        super().__init__()
        self.memory, self.gradient = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)

    def forward(self, images):
        net = self

        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return net.memory.copy_(x * x).view_as(x)

            @staticmethod
            def backward(ctx, gradient):
                return net.gradient.copy_(2 * ctx.saved_tensors[0] * gradient)

        return {"semantic": Square.apply(images)}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")  # of torch 2.11's own imports
def test_what_a_recorded_graph_gives_is_copied(monkeypatch):
    monkeypatch.setattr(Execution, "_compile", lambda self, module: None)
    net = Reusing().eval()
    module, _ = Execution(plain=True, compile=True, graphs=True).prepare(net, torch.zeros(1, 3, 2, 2))
    assert not module.training
    outputs, gradients = [], []
    for value in (1.0, 2.0):
        x = torch.full((1, 3, 2, 2), value, requires_grad=True)
        outputs.append(module(x.clone())["semantic"])
        gradients += torch.autograd.grad(outputs[-1].sum(), x)
    assert [float(output.detach().mean()) for output in outputs] == [1, 4]
    assert [float(gradient.mean()) for gradient in gradients] == [2, 4]


def test_compiling_leaves_the_module_as_it_is(monkeypatch):
    """Where it cannot be copied others still run it."""
    compiled = []
    monkeypatch.setattr(Execution, "_compile", lambda self, module: compiled.append(module))
    net = nn.Conv2d(3, 3, 1).eval()
    module, _ = Execution(plain=True, compile=True).prepare(net, torch.zeros(1, 3, 2, 2))
    assert compiled == [module] != [net]
    assert torch.equal(module(torch.ones(1, 3, 2, 2)), net(torch.ones(1, 3, 2, 2)))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it traces
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_a_compiled_model_gives_the_same(run_in, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    eager, compiled = (
        run_in(tmp_path / name, "street-single", protocol=FEW, limit=1, compile=name == "compiled").summary
        for name in ("eager", "compiled")
    )
    assert set(compiled["status"]) == {"ok"}
    columns = ["attack", "objective", "epsilon", "metric"]
    assert compiled[columns].equals(eager[columns])
    assert compiled["value"].to_numpy() == pytest.approx(eager["value"].to_numpy(), abs=2e-3)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("batch_size", [3, 0])
def test_what_is_compiled_first_is_a_whole_batch(run_in, tmp_path, monkeypatch, batch_size):
    seen = []

    def backend(graph, inputs):
        seen.extend(len(value) for value in inputs if value.shape[1:] == (3, 24, 32))
        return graph.forward

    monkeypatch.setattr(Execution, "_compile", lambda self, module: module.compile(backend=backend))
    run = run_in(tmp_path / "run", "street-single", protocol=FEW, limit=3, batch_size=batch_size, compile=True)
    assert set(run.summary["status"]) == {"ok"}
    assert set(seen) == {3}
