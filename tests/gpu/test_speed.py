"""What makes a GPU fast leaves results as they are: TF32, bf16, CUDA graphs, `--fast`; batches fit its memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.evaluation import memory, trials
from robustbench_seg.evaluation.meter import Meter
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.protocol import AttackPlan, Protocol
from tests.gpu.devices import CUDA
from tests.tasks.by_key import by_key

PRECISIONS = {"cpu": ["bf16"], "cuda": ["bf16", "tf32"]}


def test_rougher_gradients_point_the_same_way_and_scores_stay(inside, device):
    seen = inside(device)
    target_model, batch = seen.context.target_model, seen.batch
    outputs, gradient = target_model.outputs(batch.images)["semantic"], seen.context.gradient(batch)
    for precision in PRECISIONS[device]:
        target_model.precision = precision
        assert torch.equal(target_model.outputs(batch.images)["semantic"], outputs)
        rough = seen.context.gradient(batch)
        assert not torch.equal(rough, gradient)
        assert F.cosine_similarity(rough.flatten(1), gradient.flatten(1)).min() > 0.9, precision


def test_a_faster_way_is_looked_for_and_run(evaluated, device, monkeypatch):
    monkeypatch.setattr(trials, "IMAGES", 2)
    monkeypatch.setattr(trials, "STEPS", 1)
    protocol = Protocol("few", (AttackPlan("pgd", (4.0,), params={"steps": 20}),))
    run = evaluated(protocol, device, fast=True)
    assert set(run.summary["status"]) == {"ok"}
    (how,) = run.info["execution"]
    tried = {one["name"]: one for one in how["fast"]["tried"]}
    assert tried["bf16"]["seconds"] > 0, tried["bf16"]
    assert (tried["tf32"]["seconds"] is None) is (device == "cpu")
    assert how["fast"]["kept"] == run.info["identity"]["fast"][f"{how['model']} on {how['dataset']}"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 1)

    def forward(self, images):
        return {"semantic": self.last(self.first(images).relu())}


def losses():
    return [lambda outputs: outputs["semantic"].square().flatten(1).mean(1), lambda o: o["semantic"].flatten(1).mean(1)]


@pytest.mark.parametrize("device", [CUDA])
@pytest.mark.parametrize("change", [{"compile": True}, {"graphs": True}, {"compile": True, "graphs": True}])
@pytest.mark.filterwarnings("default")  # of compiling
def test_compiled_models_and_recorded_graphs_give_the_same(device, change):
    """Also where a forward serves two gradients, and what they give is looked at after others were taken."""
    net = Net().eval().requires_grad_(False)
    images = [torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(i)).to(device) for i in range(4)]
    found = {}
    for name, execution in {"eager": Execution(device), "fast": Execution(device, **change)}.items():
        module, _ = execution.prepare(net, images[0])
        target_model = TargetModel(module, by_key("semantic"))
        found[name] = []
        for batch in images:
            clean = target_model.forward_pass(batch)
            found[name] += [clean.gradient(loss) for loss in losses()]
            clean.release()
            found[name] += [target_model.gradient(batch, loss) for loss in losses()]
            found[name].append(target_model.outputs(batch)["semantic"])
    for eager, fast in zip(found["eager"], found["fast"], strict=True):
        torch.testing.assert_close(fast, eager, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("device", [CUDA])
def test_the_memory_of_more_images_is_foretold(inside, device):
    context = inside(device).context
    fixed, each = memory._gpu_bytes(context, device)
    assert each > 0
    peak = memory._gpu_peak(context, device, 8)
    assert 0.5 * (fixed + 8 * each) < peak < 1.2 * (fixed + 8 * each)


def test_workers_share_the_memory(inside, device):
    context = inside(device).context
    alone, among = (memory.images_that_fit(context, workers) for workers in (1, 64))
    assert alone > 16 * among >= 16


@pytest.mark.parametrize("device", [CUDA])
def test_the_peak_of_one_cell_does_not_reach_the_next(inside, device):
    context = inside(device).context
    found = Meter(context.target_model, device)
    big = torch.ones(64, 2**20, device=device)
    del big
    high, low = found.read().peak_memory_mb, found.read().peak_memory_mb
    assert high - low > 200
