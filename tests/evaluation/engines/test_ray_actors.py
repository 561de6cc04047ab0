"""The engine `ray` on a cluster of this machine's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

from robustbench_seg.errors import InputError  # noqa: E402
from robustbench_seg.evaluation.engines import ray_actors as ray_engine  # noqa: E402
from robustbench_seg.protocol import Protocol  # noqa: E402
from tests.evaluation.conftest import PROTOCOL, WORST_CASE  # noqa: E402

TOY = Path(__file__).parents[2] / "plugins" / "toy.py"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cluster():
    """Two places for workers, kept for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", "local")
        ray_engine.start(2)
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_the_same_bytes_as_local_and_the_workers_named(run_in, tmp_path):
    protocol = Protocol("toy", (*PROTOCOL.attacks, *WORST_CASE.attacks))
    local = run_in(tmp_path / "local", protocol=protocol)
    run = run_in(tmp_path / "ray", engine="ray", workers=2, protocol=protocol)
    for name in ("summary.csv", "classes.csv"):
        assert (run.folder / name).read_bytes() == (local.folder / name).read_bytes()
    assert 1 <= len(run.info["workers"]) <= 2  # the second may come when all is done
    assert sum(run.info["workers"].values()) == sum(local.info["workers"].values())
    assert not set(run.info["workers"]) & set(local.info["workers"])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("fault", "timeout"), [("kill", 0), ("hang", 5)])
def test_a_lost_actor_leaves_no_trace(faulty_run, without_fault, tmp_path, fault, timeout):
    expected = without_fault(fault)
    run = faulty_run(tmp_path / "run", fault, engine="ray", workers=2, timeout=timeout)
    assert (tmp_path / "marker").exists()
    assert run.info["failures"] == {}
    assert (run.folder / "summary.csv").read_bytes() == expected


@pytest.mark.usefixtures("cluster")
def test_what_an_actor_cannot_load_is_one_line(request_for, tmp_path, monkeypatch):
    from robustbench_seg.evaluation.prepare import PreparedEvaluation
    from robustbench_seg.evaluation.run import run_evaluation

    plugin = tmp_path / "toy.py"
    plugin.write_text(TOY.read_text())
    prepared = PreparedEvaluation(request_for("toy-single", engine="ray", plugins=(str(plugin),)), tmp_path / "run")
    plugin.unlink()
    with pytest.raises(InputError, match=r"toy\.py' is not a file"):
        run_evaluation(prepared, tmp_path / "run")


@pytest.mark.usefixtures("cluster")
def test_a_cluster_without_gpus_is_one_line(request_for):
    from dataclasses import replace

    from robustbench_seg.evaluation.prepare import PreparedEvaluation

    prepared = PreparedEvaluation(request_for("toy-single"))
    job = prepared.job(Path())
    on_gpu = replace(job, execution=replace(job.execution, device="cuda:3"))
    with pytest.raises(InputError, match="no machine of the Ray cluster has what a worker needs"):
        next(ray_engine.run_ray(on_gpu, [], 1, prepared.workplace))


def test_the_command_starts_a_cluster_and_prints_its_own_words_alone(tmp_path):
    command = [
        sys.executable, "-m", "robustbench_seg", "evaluate", "-m", "toy-single", "-d", "toy", "--plugin", str(TOY),
        "-a", "gaussian", "-e", "4", "--batch-size", "4", "--engine", "ray", "--workers", "2", "--json", "-o", "run",
    ]  # fmt: skip
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["failed"] is False
    assert done.stderr == ""


def test_a_cluster_that_cannot_be_reached_is_one_line(tmp_path):
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    command = [
        sys.executable, "-m", "robustbench_seg", "evaluate", "-m", "toy-single", "-d", "toy", "--plugin", str(TOY),
        "-a", "gaussian", "-e", "4", "--engine", "ray", "-o", "run",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
