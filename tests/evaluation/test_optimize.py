"""Compiled models in a whole run; what is folded is tested with the models."""

import shutil

import pytest
import torch
from torch import nn

from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.protocol import AttackPlan, Protocol

FEW = Protocol("few", (AttackPlan("fgsm", (1.0, 4.0)),))


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
    torch.compiler.reset()  # a process that has seen other sizes compiles for any
    seen = []

    def backend(graph, inputs):
        seen.extend(len(value) for value in inputs if value.shape[1:] == (3, 24, 32))
        return graph.forward

    monkeypatch.setattr(Execution, "_compile", lambda self, module: module.compile(backend=backend))
    run = run_in(tmp_path / "run", "street-single", protocol=FEW, limit=3, batch_size=batch_size, compile=True)
    assert set(run.summary["status"]) == {"ok"}
    assert set(seen) == {3}
