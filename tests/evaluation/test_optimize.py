"""Kernels at work in a whole run; what is folded is tested with the models."""

import shutil

import pytest

from robustbench_seg.protocol import AttackPlan, Protocol

FEW = Protocol("few", (AttackPlan("fgsm", (1.0, 4.0)),))


@pytest.mark.slow
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
