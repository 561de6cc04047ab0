from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.evaluation.estimate import estimate
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.models.cost import seconds
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.registry import Entry

EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


GRID = Protocol(
    "grid",
    (
        AttackPlan("gaussian", EPSILONS),
        AttackPlan("salt_and_pepper", EPSILONS),
        AttackPlan("fgsm", EPSILONS),
        AttackPlan("pgd", EPSILONS),
    ),
)


IMAGES = 4


@dataclass(frozen=True)
class Patient(PGD):
    """Takes no step at a small epsilon."""

    def num_steps(self, epsilon: float) -> int:
        return 0 if epsilon < 2 else 3


def test_an_epsilon_without_a_step_leaves_the_images(request_for, tmp_path, monkeypatch):
    monkeypatch.setitem(ATTACKS._all(), "patient", Entry("patient", "python", "", lambda: Patient))
    prepared = PreparedEvaluation(
        request_for("toy-single", protocol=Protocol("patient", (AttackPlan("patient", (1.0, 4.0)),)), limit=IMAGES)
    )
    foretold = estimate(prepared)
    run = run_evaluation(prepared, tmp_path)
    assert (foretold.gradients, foretold.forwards) == (run.costs["backwards"].sum(), run.costs["forwards"].sum())
    assert foretold.gradients == 3 * IMAGES
    linf = run.summary.set_index(["attack", "epsilon"]).linf
    assert (linf["patient", 1.0] == 0).all()
    assert (linf["patient", 4.0] > 0).all()


def test_seconds_wait_for_the_gpu(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: order.append("wait"))
    seconds(lambda: order.append("work"), "cuda:0")
    assert order == ["wait", "work", "wait"]


@pytest.mark.parametrize("restarts", [1, 3])
def test_the_loss_of_every_restart_is_a_forward(request_for, tmp_path, restarts):
    params = {"random_start": True, "restarts": restarts}
    plans = (AttackPlan("pgd", (0.0, 1.0, 4.0), params=params),)
    prepared = PreparedEvaluation(request_for("toy-single", protocol=Protocol("restarts", plans), limit=IMAGES))
    foretold = estimate(prepared)
    costs = run_evaluation(prepared, tmp_path).costs
    assert (foretold.gradients, foretold.forwards) == (costs["backwards"].sum(), costs["forwards"].sum())


def test_the_estimate_of_attacks_that_do_not_start_clean(request_for, tmp_path):
    plans = (AttackPlan("pgd", (1.0, 4.0), params={"random_start": True}), AttackPlan("fgsm", (4.0,)))
    prepared = PreparedEvaluation(request_for("toy-single", protocol=Protocol("random", plans), limit=IMAGES))
    foretold = estimate(prepared)
    costs = run_evaluation(prepared, tmp_path).costs
    assert (foretold.gradients, foretold.forwards) == (costs["backwards"].sum(), costs["forwards"].sum())


@pytest.mark.parametrize("model", ["toy-single", "toy-multi"])
@pytest.mark.slow
def test_the_estimate_is_what_it_costs(request_for, tmp_path, model):
    prepared = PreparedEvaluation(request_for(model, protocol=GRID, limit=IMAGES))
    foretold = estimate(prepared)
    costs = run_evaluation(prepared, tmp_path).costs
    assert foretold.gradients == costs["backwards"].sum()
    assert foretold.forwards == costs["forwards"].sum()
