import sqlite3
import sys
from dataclasses import replace

import pytest
from torch import nn

from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.classes import CAMVID11
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import AttackPlan, Protocol


def _in_memory(module):
    return InMemory("m", LoadedModel("m", module, ("semantic",), CAMVID11, "none", "1", "test"))


class _Exiting(nn.Module):
    def forward(self, x):
        sys.exit(0)


def test_a_model_that_exits_is_refused(request_for, tmp_path):
    with pytest.raises(InputError, match="model 'm' fails on the first image"):
        run_evaluation(PreparedEvaluation(request_for(models=[_in_memory(_Exiting())]), tmp_path), tmp_path)


def test_an_identity_that_appears_after_the_plan_is_seen(run_in, request_for, tmp_path):
    """Two processes plan different runs of one new folder; the second to start must not mix with the first."""
    planned = PreparedEvaluation(request_for("toy-single", limit=2, seed=1), tmp_path / "run")
    run = run_in(tmp_path / "run", "toy-single", limit=2)
    before = (run.folder / "summary.csv").read_bytes()
    with pytest.raises(UsageError, match="seed was 0, now 1"):
        run_evaluation(planned, tmp_path / "run")
    assert (run.folder / "summary.csv").read_bytes() == before


def test_an_empty_store_of_a_run_that_was_just_being_made_starts_afresh(run_in, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "store.sqlite").write_bytes(b"")
    assert set(run_in(tmp_path / "run", "toy-single", limit=2).summary.status) == {"ok"}


def test_a_smaller_limit_is_refused(run_in, tmp_path):
    run_in(tmp_path / "run", limit=7)
    with pytest.raises(UsageError, match=r"7 images.*5"):
        run_in(tmp_path / "run", limit=5)


def test_other_arguments_on_the_same_folder_are_refused(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", limit=1)
    for change, named in (
        ({"seed": 1}, "seed was 0, now 1"),
        ({"batch_size": 3}, "batch_size was 5, now 3"),
        ({"precision": "bf16"}, "bf16"),
        ({"plain": True}, "plain was false, now true"),
        ({"compile": True}, "compile was false, now true"),
    ):
        with pytest.raises(UsageError, match=named):
            run_in(tmp_path / "run", "toy-single", limit=1, **change)


def test_of_other_attacks_those_are_named_that_differ(request_for, tmp_path):
    noise, pgd, longer = AttackPlan("gaussian", (1.0,)), AttackPlan("pgd", (1.0,), params={"steps": 2}), {"steps": 3}

    def asked(*plans):
        return request_for("toy-single", limit=1, protocol=Protocol("mine", plans))

    run_evaluation(PreparedEvaluation(asked(noise, pgd), tmp_path), tmp_path)
    for plans, named in (
        (
            (noise, replace(pgd, params=longer)),
            r'.attacks was \S+ pgd [^;]*"steps": 2\} \S+, now \S+ pgd .*"steps": 3\} \S+.;',
        ),
        ((noise, pgd, AttackPlan("fgsm", (1.0,))), r".attacks now also \S+ fgsm semantic linf \[1\.0\] "),
        ((noise,), r".attacks now without \S+ pgd semantic linf "),
    ):
        with pytest.raises(UsageError, match=f"holds another run {named}"):
            PreparedEvaluation(asked(*plans), tmp_path)


def test_an_edited_plugin_on_the_same_folder_is_refused(run_in, tmp_path, monkeypatch):
    monkeypatch.setattr(ATTACKS, "_entries", dict(ATTACKS._all()))
    plugin = tmp_path / "mine.py"
    plugin.write_text('from robustbench_seg import ATTACKS\nATTACKS.register("mine", "nothing")(object)\n')
    run_in(tmp_path / "run", "toy-single", limit=1, plugins=(str(plugin),))
    plugin.write_text("# edited")
    with pytest.raises(UsageError, match=r"code was .*now"):
        run_in(tmp_path / "run", "toy-single", limit=2, plugins=(str(plugin),))


def test_models_in_another_order_are_refused(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", "toy-multi", limit=2, tasks=["semantic"])
    with pytest.raises(UsageError, match="models was"):
        run_in(tmp_path / "run", "toy-multi", "toy-single", limit=2, tasks=["semantic"])


def test_a_kill_before_the_identity_is_stored_starts_afresh(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", limit=2)
    with sqlite3.connect(tmp_path / "run" / "store.sqlite") as store:
        store.executescript("DELETE FROM meta WHERE key = 'identity'; DELETE FROM shards; DELETE FROM results")
    run_in(tmp_path / "run", "toy-single", limit=2)


def test_a_model_of_the_wrong_shape_is_refused_before_any_work(request_for, tmp_path):
    class Wrong(nn.Module):
        def forward(self, x):
            return {"semantic": x.mean(1)}

    model = LoadedModel("w", Wrong(), ("semantic",), CAMVID11, "none", "1", "test")
    with pytest.raises(InputError, match="a single channel for 11 classes"):
        run_evaluation(PreparedEvaluation(request_for(models=[InMemory("w", model)]), tmp_path / "r"), tmp_path / "r")
