import os
import socket

import pytest

from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.results.store import Store


def test_intervals_and_notes_are_recorded(run_in, tmp_path):
    info = run_in(tmp_path / "run", "toy-single").info
    assert "jackknife" in info["intervals"]["toy"]
    assert info["notes"] == []
    assert info["identity"]["models"] == [["toy-single", "0" * 64]]


def test_run_json_names_the_workers_and_their_shards(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    with Store(tmp_path / "run" / "store.sqlite") as store:
        shards = len(store.done())
    assert run.info["workers"] == {f"{socket.gethostname()}:{os.getpid()}": shards}


def test_whether_batchnorm_was_folded_is_recorded_and_kept(run_in, tmp_path):
    def folded(**changes):
        info = run_in(tmp_path / "run", "street-single", "toy-single", **changes).info
        return {model["name"]: model["folded"] for model in info["models"]}

    few = {"protocol": Protocol("few", (AttackPlan("gaussian", (1.0,)),)), "limit": 1}
    sets = [DataSpec("street"), DataSpec("toy")]
    first = folded(datasets=sets, **few)
    assert first == {"street-single": True, "toy-single": False}
    assert folded(datasets=sets, **few) == first, "also where nothing was left to do"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_how_every_model_was_run_is_recorded(run_in, tmp_path, precision):
    info = run_in(tmp_path / "run", "toy-single", precision=precision, limit=1).info
    how = {"gradients": precision, "scores": "fp32", "tf32": False, "channels_last": True}
    how |= {"compiled": False, "graphs": False}
    assert info["execution"] == [{"model": "toy-single", "dataset": "toy", **how}]
    assert info["precision"] == precision
    assert info["device"]
