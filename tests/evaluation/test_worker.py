from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.classes import CAMVID11
from robustbench_seg.data.derived import WithDerived
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.worker import Worker
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.registry import MODELS
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.results.store import Store


class _Counting(nn.Module):
    """Writes into one of its buffers whenever it is used."""

    def __init__(self, start):
        super().__init__()
        self.net = MODELS.get("toy-single")().module
        self.register_buffer("calls", start)

    def forward(self, x):
        self.calls += 1
        return self.net(x)


def test_a_model_that_moves_while_it_is_measured_is_refused(request_for, tmp_path):
    import torch

    def run(start, folder):
        return run_evaluation(
            PreparedEvaluation(request_for(models=[_in_memory(_Counting(start))], limit=2), folder), folder
        )

    with pytest.raises(InputError, match="m under clean: weights or buffers of the model changed"):
        run(torch.zeros(()), tmp_path / "moving")
    assert set(run(torch.zeros((), dtype=torch.int64), tmp_path / "counting").summary.status) == {"ok"}


def _in_memory(module):
    return InMemory("m", LoadedModel("m", module, ("semantic",), CAMVID11, "none", "1", "test"))


def row(run, **where):
    table = run.summary
    for key, value in where.items():
        table = table[table[key] == value]
    assert len(table) == 1, table
    return table.iloc[0]


@pytest.mark.parametrize("late", [False, True], ids=["the image", "a label, where it is asked for"])
def test_a_broken_first_image_is_a_failed_image(request_for, tmp_path, late):
    def fail(labels):
        raise KeyError("shading")

    class Broken(DATASETS.get("toy")):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            if index:
                return sample
            return replace(sample, labels=WithDerived({}, "semantic", fail)) if late else fail(sample.labels)

    config = request_for("toy-single", datasets=[InMemory("toy", Broken())], in_process=True)
    run = run_evaluation(PreparedEvaluation(config, tmp_path / "run"), tmp_path / "run")
    clean = row(run, attack="clean", metric="miou")
    assert (clean.status, clean.n_images) == ("failed", 11)
    with Store(tmp_path / "run" / "store.sqlite") as store:
        errors = {result.error for result in store.cell(0, 0, 0).results if result.error}
    assert errors == {"KeyError: 'shading'"}


class _Broken(nn.Module):
    """Raises, or gives NaN, on images whose red is high somewhere below a threshold kept in `bad`."""

    def __init__(self, net, bad, how):
        super().__init__()
        self.net, self.bad, self.how = net, bad, how

    def forward(self, x):
        hit = (x - self.bad[None]).abs().flatten(1).amax(1) < 0.2
        if hit.any() and self.how == "raise":
            raise RuntimeError("broken\non purpose")
        out = self.net(x)
        return {key: value.where(~hit.view(-1, *[1] * (value.dim() - 1)), float("nan")) for key, value in out.items()}


@pytest.mark.parametrize("how", ["raise", pytest.param("nan", marks=pytest.mark.slow)])
def test_a_failed_image_fails_its_cell_and_is_tried_again(request_for, tmp_path, how):
    import torch

    from robustbench_seg.data.registry import DATASETS
    from robustbench_seg.models.registry import MODELS

    net = MODELS.get("toy-single")().module
    image = torch.from_numpy(DATASETS.get("toy")()[4].image).permute(2, 0, 1).float() / 255
    broken = LoadedModel("m", _Broken(net, image, how), ("semantic",), CAMVID11, "none", "1", "test")
    fixed = LoadedModel("m", net, ("semantic",), CAMVID11, "none", "1", "test")
    folder = tmp_path / "run"
    run = run_evaluation(PreparedEvaluation(request_for(models=[InMemory("m", broken)]), folder), folder)
    clean = row(run, attack="clean", metric="miou")
    assert (clean.status, clean.n_images) == ("failed", 11)
    with Store(folder / "store.sqlite") as store:
        errors = [result.error for result in store.cell(0, 0, 0).results if result.error]
    assert len(errors) == 1
    assert "\n" not in errors[0]
    assert list(run.info["failures"]) == errors
    run = run_evaluation(PreparedEvaluation(request_for(models=[InMemory("m", fixed)]), folder), folder)
    clean = row(run, attack="clean", metric="miou")
    assert (clean.status, clean.n_images) == ("ok", 12)


IMAGES = 4


@dataclass(frozen=True)
class Harmful(FGSM):
    """Writes into what all configurations share; `what` says where."""

    what: str = "labels"

    def adversarial_loss(self, objective, reference):
        if self.what == "labels":
            reference.labels["semantic"].fill_(1)
        if self.what == "outputs":
            reference.outputs["semantic"].neg_()
        return objective.adversarial_loss(reference)

    def run(self, attack_context: AttackContext, budget: Budget) -> torch.Tensor:
        module = attack_context._target_model.module
        if self.what == "weights":
            module.conv.weight.data.mul_(0.5)
        if self.what == "buffer":
            module.register_buffer("seen", torch.ones(1) + getattr(module, "seen", 0))
        return super().run(attack_context, budget)


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("labels", "wrote into labels or clean outputs"),
        ("outputs", "wrote into labels or clean outputs"),
        ("weights", "weights or buffers of the model changed"),
        ("buffer", "weights or buffers of the model changed"),
    ],
)
def test_what_configurations_share_cannot_be_changed_by_one(request_for, tmp_path, monkeypatch, what, named):
    known = ATTACKS.get
    monkeypatch.setattr(ATTACKS, "get", lambda name: Harmful if name == "harmful" else known(name))
    plans = (AttackPlan("harmful", (4.0,), params={"what": what}), AttackPlan("fgsm", (4.0,)))
    prepared = PreparedEvaluation(request_for("toy-single", protocol=Protocol("harmful", plans), limit=IMAGES))
    with pytest.raises(InputError, match=named):
        run_evaluation(prepared, tmp_path)


def test_a_work_item_cut_by_configuration_gives_the_same_results(request_for, tmp_path):
    prepared = PreparedEvaluation(request_for("toy-multi"))
    work_item = next(prepared.plan.work_items(set()))
    assert len(work_item.configurations) > 5
    whole = Worker(prepared.job(tmp_path)).run(work_item)
    pieces = [result for piece in work_item.by_configuration() for result in Worker(prepared.job(tmp_path)).run(piece)]
    assert [result.configuration for result in pieces] == [result.configuration for result in whole]
    for a, b in zip(whole, pieces, strict=True):
        assert [cell.images for cell in a.cells] == [cell.images for cell in b.cells]


def test_an_announced_work_item_is_read_aside_and_once(request_for, tmp_path, monkeypatch):
    prepared = PreparedEvaluation(request_for("toy-single"))
    first, second = list(prepared.plan.work_items(set()))[:2]
    worker = Worker(prepared.job(tmp_path))
    worker.run(first)
    expected = worker.run(second)
    kind, seen = type(prepared.datasets[0]), []
    read = kind.__getitem__

    def watched(self, index):
        seen.append((index, threading.current_thread() is threading.main_thread()))
        return read(self, index)

    monkeypatch.setattr(kind, "__getitem__", watched)
    worker.announce(second)
    found = worker.run(second)
    worker.close()
    assert seen == [(index, False) for index in second.images]
    for a, b in zip(expected, found, strict=True):
        assert [cell.images for cell in a.cells] == [cell.images for cell in b.cells]
