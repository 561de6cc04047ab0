"""Trials on real models, with made-up timings, and what a run makes of what was found."""

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation import candidates, fast, trials
from robustbench_seg.evaluation.candidates import CANDIDATES, Candidate
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.protocol import AttackPlan, Protocol

FEW = Protocol("few", (AttackPlan("gaussian", (4.0,)), AttackPlan("pgd", (4.0,), params={"steps": 30})))


@pytest.fixture
def made_up(monkeypatch):
    """bf16 takes half the time of everything else; a run of few images is worth a trial."""
    known = {"bf16": CANDIDATES["bf16"], "plain": Candidate("plain", {"plain": True}), "tf32": CANDIDATES["tf32"]}
    for module in (candidates, fast):
        monkeypatch.setattr(module, "CANDIDATES", known)
    monkeypatch.setattr(trials, "IMAGES", 4)
    monkeypatch.setattr(fast, "APART", 0.1)

    def timed(gradient, device):
        gradient()
        precision = gradient.func.__self__._target_model.precision
        return {"fp32": 1.0, "bf16": 0.5}[precision]

    monkeypatch.setattr(trials, "typical_seconds", timed)


@pytest.fixture
def never(monkeypatch):
    """Nothing is tried from now on."""

    def install():
        def tried(*arguments):
            raise AssertionError("it was tried")

        monkeypatch.setattr(trials, "choose", tried)

    return install


def run(run_in, folder, **changes):
    return run_in(folder, "toy-single", protocol=FEW, fast=True, **{"limit": 12, "tasks": ["semantic"], **changes})


@pytest.mark.usefixtures("made_up")
def test_what_was_found_is_run_recorded_and_kept_on_resume(run_in, never, tmp_path, monkeypatch):
    built = []
    known = WorkerContext.__post_init__
    monkeypatch.setattr(
        WorkerContext, "__post_init__", lambda self: (built.append(self.execution.precision), known(self))[1]
    )
    info = run(run_in, tmp_path / "run", limit=8).info
    assert built == ["fp32", "bf16", "bf16"], "strict, bf16, bf16 plain; the second goes on"
    (how,) = info["execution"]
    assert (how["gradients"], how["scores"], how["fast"]["kept"]) == ("bf16", "fp32", ["bf16"])
    reasons = {one["name"]: one["reason"] for one in how["fast"]["tried"]}
    assert reasons["bf16"] == ""
    assert reasons["plain"].startswith("takes 1.00 times as long")
    assert reasons["tf32"] == "is for cuda"
    assert how["fast"]["strict"]["seconds"] == 0.2, "of one image in a batch of five"
    assert info["precision"] == "bf16"
    assert info["identity"]["fast"] == {"toy-single on toy": ["bf16"]}
    (note,) = [note for note in info["notes"] if note.startswith("fast: ")]
    assert note.startswith("fast: toy-single on toy: bf16: a gradient of one image takes 100 ms, not 200; Q under PGD")
    assert "left out: plain (takes" in note
    never()
    again = run(run_in, tmp_path / "run").info
    assert again["execution"] == info["execution"]
    assert note in again["notes"]


@pytest.mark.slow
@pytest.mark.usefixtures("made_up")
def test_gradients_are_those_of_the_choice_in_every_process(run_in, tmp_path):
    found = run(run_in, tmp_path / "fast", workers=2).summary
    asked = run_in(
        tmp_path / "bf16", "toy-single", protocol=FEW, limit=12, tasks=["semantic"], precision="bf16"
    ).summary
    assert found.equals(asked)


@pytest.mark.usefixtures("made_up")
def test_a_run_made_otherwise_is_refused_and_nothing_is_tried_for_it(run_in, never, tmp_path):
    run_in(tmp_path / "strict", "toy-single", protocol=FEW, limit=12, tasks=["semantic"])
    run(run_in, tmp_path / "fast")
    never()
    with pytest.raises(UsageError, match="fast was not given, now"):
        run(run_in, tmp_path / "strict")
    with pytest.raises(UsageError, match=r"fast was .*bf16.* now not given"):
        run_in(tmp_path / "fast", "toy-single", protocol=FEW, limit=12, tasks=["semantic"])


def test_few_gradients_are_not_worth_a_trial(request_for, never):
    never()
    prepared = PreparedEvaluation(request_for("toy-single", protocol=FEW, fast=True, limit=6))
    assert prepared.fast == {"toy-single on toy": {"kept": [], "reason": "only 180 gradients"}}
    assert prepared.measured_notes == ["fast: toy-single on toy: fp32 as it is (only 180 gradients)"]


@pytest.mark.usefixtures("made_up")
def test_a_model_that_cannot_be_tried_is_left_to_the_run(request_for, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(trials.ModelTrial, "strength", broken)
    prepared = PreparedEvaluation(request_for("toy-single", protocol=FEW, fast=True))
    assert prepared.fast == {"toy-single on toy": {"kept": [], "reason": "RuntimeError: broken"}}


@pytest.mark.parametrize(
    ("given", "named"),
    [({"precision": "bf16"}, "precision"), ({"compile": True, "plain": True}, "compile, plain")],
)
def test_what_it_chooses_cannot_be_given_too(request_for, given, named):
    with pytest.raises(UsageError, match=f"leave out {named}$"):
        PreparedEvaluation(request_for("toy-single", fast=True, **given))


@pytest.mark.usefixtures("made_up")
def test_the_budget_bounds_the_work(request_for, monkeypatch):
    given = []
    monkeypatch.setattr(trials, "choose", lambda *arguments: given.append(arguments[2:]) or 1 / 0)
    PreparedEvaluation(request_for("toy-single", protocol=FEW, fast=True, budget=2.0, workers=3))
    assert given == [(12 * 30 / 3, 120.0)]
