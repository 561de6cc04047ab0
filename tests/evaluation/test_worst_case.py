"""Epsilons that start from one another and the worst case over attacks, through a whole evaluation."""

import json

import pytest

from robustbench_seg.protocol import Protocol
from tests.evaluation.conftest import WORST_CASE

RUN = Protocol(WORST_CASE.name, tuple(plan for plan in WORST_CASE.attacks if plan.name != "worst"))


@pytest.fixture(scope="module")
def run(run_in, tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("worst") / "run", "toy-multi", protocol=WORST_CASE, limit=7)


def values(run, norm, attack, task="semantic", metric="miou"):
    """A metric of a task under attacks on it, by epsilon."""
    table = run.summary.query("norm == @norm and attack == @attack and objective == task and task == @task")
    return table[table.metric == metric].set_index("epsilon").value.to_dict()


def test_it_is_no_better_than_any_attack(run):
    for norm in ("linf", "rms"):
        worst = values(run, norm, "worst")
        for attack in ("apgd", "cospgd", "worst[by image]"):
            assert all(worst[epsilon] <= value for epsilon, value in values(run, norm, attack).items())
        errors = values(run, norm, "worst", "depth", "rmse")
        assert all(errors[epsilon] >= value for epsilon, value in values(run, norm, "apgd", "depth", "rmse").items())


def test_in_linf_no_curve_rises(run):
    for attack in ("worst", "worst[by image]"):
        falling = [*values(run, "linf", attack).values()]
        assert falling == sorted(falling, reverse=True)
        rising = [*values(run, "linf", attack, "depth", "rmse").values()]
        assert rising == sorted(rising)


def test_it_can_be_asked_for_after_the_fact(run, run_in, tmp_path):
    folder = tmp_path / "later"
    run_in(folder, "toy-multi", protocol=RUN, limit=7)
    costs = json.loads((folder / "run.json").read_text())["workers"]
    run_in(folder, "toy-multi", protocol=WORST_CASE, limit=7)
    assert json.loads((folder / "run.json").read_text())["workers"] == costs
    for name in ("summary.csv", "classes.csv"):
        assert (folder / name).read_bytes() == (run.folder / name).read_bytes()


@pytest.mark.slow
def test_two_workers_and_a_run_that_grows_give_the_same_bytes(run, run_in, tmp_path):
    two = run_in(tmp_path / "two", "toy-multi", protocol=WORST_CASE, limit=7, workers=2)
    run_in(tmp_path / "grown", "toy-multi", protocol=WORST_CASE, limit=5)
    grown = run_in(tmp_path / "grown", "toy-multi", protocol=WORST_CASE, limit=7)
    for other in (two, grown):
        for name in ("summary.csv", "classes.csv"):
            assert (other.folder / name).read_bytes() == (run.folder / name).read_bytes()
