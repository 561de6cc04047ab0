from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.attacks.registry import ATTACKS, BUILT_IN
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.plan import share
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.timing import Timing
from robustbench_seg.evaluation.worker import read, work_on
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
    foretold = prepared.estimate()
    run = run_evaluation(prepared, tmp_path)
    assert (foretold.gradients, foretold.forwards) == (run.costs["backwards"].sum(), run.costs["forwards"].sum())
    assert foretold.gradients == (3 + 2) * IMAGES, "three steps, and two gradients of the checks"
    linf = run.summary.set_index(["attack", "epsilon"]).linf
    assert (linf["patient", 1.0] == 0).all()
    assert (linf["patient", 4.0] > 0).all()


def test_seconds_wait_for_the_gpu(monkeypatch):
    order = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: order.append("wait"))
    seconds(lambda: order.append("work"), "cuda:0")
    assert order == ["wait", "work", "wait"]


# With parameters that make each cheap, and those that change what it costs.
SETTINGS = {
    "pgd": [
        {"steps": 3},
        {"steps": 3, "alpha": 0.5},
        {"steps": 0, "alpha": 1.0},
        {"steps": 3, "random_start": True},
        {"steps": 3, "random_start": True, "restarts": 3},
    ],
    "segpgd": [{"steps": 3}, {"steps": 3, "alpha": 0.5}],
    "cospgd": [{"steps": 3}, {"steps": 2, "random_start": True, "restarts": 2}],
    "mi_fgsm": [{"steps": 3}, {"steps": 3, "alpha": 0.5}, {"steps": 3, "random_start": True}],
    "apgd": [{"steps": 4}, {"steps": 10, "stages": True}, {"steps": 4, "warm_start": True}, {"steps": 2}],
    "square": [{"queries": 4}],
    "hide": [{"steps": 3}],
    "dag": [{"steps": 5}],
    "alma": [{"steps": 3}],
}
SIZES = (0.0, 1.0, 2.0, 4.0)
BOUNDED = ("dag", "alma")
"""Attacks that can stop early, or leave images without a target: what is foretold is the most."""


class Nothing:
    """A store that keeps nothing."""

    def read_meta(self, key):
        return None

    def write_meta(self, key, value):
        pass


def _cost_and_estimate(config):
    """Gradients and forwards of the work as workers share it, and as foretold."""
    prepared = PreparedEvaluation(config)
    foretold = prepared.estimate()
    context = prepared.workplace.context(prepared.plan.pairs[0])
    before = context.target_model.cost
    prepared.check(Nothing(), lambda text: None)
    for item in share(list(prepared.plan.work_items()), prepared.workers):
        work_on(context, item, read(context, item.images), Pictures())
    after = context.target_model.cost
    real = (after.backwards - before.backwards, after.forwards - before.forwards)
    return real, (foretold.gradients, foretold.forwards)


def _protocol(name, params):
    attack = ATTACKS.get(name)
    objectives = ("hide:car",) if name == "hide" else None
    norm = attack.default_norm(attack(), bounded="rms" in attack.norms)
    sizes = () if norm == "none" else SIZES
    return Protocol(name, (AttackPlan(name, sizes, norm=norm, objectives=objectives, params=params),))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        pytest.param(name, params, id=" ".join([name, *(f"{key}={value}" for key, value in params.items())]))
        for name in BUILT_IN
        if name != "worst" and not issubclass(ATTACKS.get(name), Fitted)
        for params in SETTINGS.get(name, [{}])
    ],
)
def test_every_attack_costs_what_is_foretold(request_for, name, params):
    if name == "alma" and not advlib.is_installed():
        pytest.skip("needs adv-lib")
    real, foretold = _cost_and_estimate(request_for("toy-single", protocol=_protocol(name, params), limit=IMAGES))
    if name in BOUNDED:
        assert np.less_equal(real, foretold).all()
    else:
        assert real == foretold


def test_what_the_worst_case_is_chosen_from_is_all_it_costs(request_for):
    plans = (AttackPlan("pgd", (1.0,), params={"steps": 2}), AttackPlan("worst", (1.0,)))
    config = request_for("toy-single", protocol=Protocol("worst", plans), limit=IMAGES)
    real, foretold = _cost_and_estimate(config)
    assert real == foretold
    assert PreparedEvaluation(config).estimate().cells == 2


def test_the_estimate_of_attacks_that_do_not_start_clean(request_for):
    plans = (AttackPlan("pgd", (1.0, 4.0), params={"random_start": True}), AttackPlan("fgsm", (4.0,)))
    real, foretold = _cost_and_estimate(request_for("toy-single", protocol=Protocol("random", plans), limit=IMAGES))
    assert real == foretold


def test_in_half_precision_gradients_take_their_own_forward(request_for):
    plans = (AttackPlan("fgsm", (1.0, 4.0)), AttackPlan("pgd", (2.0,), params={"steps": 2}))
    config = request_for("toy-single", protocol=Protocol("half", plans), limit=IMAGES, precision="bf16")
    real, foretold = _cost_and_estimate(config)
    assert real == foretold


def test_work_that_is_cut_for_two_workers_shares_less(request_for):
    plans = (AttackPlan("gaussian", (1.0,)), AttackPlan("fgsm", (1.0,)), AttackPlan("pgd", (2.0,)))
    config = request_for("toy-single", protocol=Protocol("cut", plans), limit=IMAGES, workers=2)
    real, foretold = _cost_and_estimate(config)
    assert real == foretold


def test_what_is_left_of_a_run(request_for, run_in, tmp_path):
    protocol = Protocol("few", (AttackPlan("pgd", (1.0, 4.0), params={"steps": 3}), AttackPlan("gaussian", (1.0,))))
    some = {"protocol": protocol, "batch_size": 2}
    first = run_in(tmp_path, "toy-single", limit=4, **some).costs[["forwards", "backwards"]].sum()
    more = PreparedEvaluation(request_for("toy-single", limit=6, **some), tmp_path)
    whole, left = more.estimate(), more.estimate_left(tmp_path)
    assert not whole.resumes
    assert left.resumes
    assert (whole.images, left.images) == (6, 2)
    assert left.cells == whole.cells == 4
    checks = more.costs[0].check(4)[0]
    # Six images are looked at anew.
    assert whole.gradients - left.gradients == first["backwards"] - checks.gradients
    assert whole.forwards - left.forwards == first["forwards"] - checks.forwards
    assert run_in(tmp_path, "toy-single", limit=6, **some)
    assert more.estimate_left(tmp_path).cells == 0


def test_nothing_is_timed_where_nothing_is_left(request_for, run_in, tmp_path, monkeypatch):
    run_in(tmp_path, "toy-single", limit=2)
    monkeypatch.setattr(PreparedEvaluation, "_timing", lambda self, context: pytest.fail("timed"))
    prepared = PreparedEvaluation(request_for("toy-single", limit=2), tmp_path)
    assert prepared.estimate_left(tmp_path).seconds == 0


# Seconds of one image: clean 1 + 4 forwards of noise, and a score of .1 in each of the five. Before that, the forwards
# of the checks: two of a batch of up to 5, two of 8 images, one of every image, then 15 alternatives of
# preprocessing on every image of 4 or on 3 of a batch of 5, and the best of them on every image.
TIMING = Timing(forward=1.0, gradient=10.0, score=0.1)
NOISE = Protocol("noise", (AttackPlan("gaussian", (1.0, 2.0, 4.0, 8.0)),))


@pytest.mark.parametrize(
    ("workers", "limit", "expected"),
    [
        (1, 4, 4 * 5 * 1.1 + 8 + 16 + 4 + 15 * 4 + 4),
        # Two whole batches; then the third, whose clean images the other worker takes.
        (2, 10, 5 * 5 * 1.1 + 10 + 16 + 10 + 15 * 3 + 10),
        (2, 12, 5 * 5 * 1.1 + 2 * 4 * 1.1 + 10 + 16 + 12 + 15 * 3 + 12),
    ],
)
def test_seconds_are_those_of_the_busiest_worker(request_for, monkeypatch, workers, limit, expected):
    monkeypatch.setattr(PreparedEvaluation, "_timing", lambda self, context: TIMING)
    config = request_for("toy-single", protocol=NOISE, limit=limit, workers=workers)
    assert PreparedEvaluation(config).estimate().seconds == pytest.approx(expected)


@pytest.mark.parametrize("model", ["toy-single", "toy-multi"])
@pytest.mark.slow
def test_the_estimate_is_what_it_costs(request_for, tmp_path, model):
    prepared = PreparedEvaluation(request_for(model, protocol=GRID, limit=IMAGES))
    foretold = prepared.estimate()
    costs = run_evaluation(prepared, tmp_path).costs
    assert foretold.gradients == costs["backwards"].sum()
    assert foretold.forwards == costs["forwards"].sum()
