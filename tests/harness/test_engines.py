import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.harness.engine import Worker, engine_of
from robustbench_seg.harness.evaluation import Evaluation
from robustbench_seg.harness.execute import execute
from robustbench_seg.harness.plan import Unit, by_family, share
from robustbench_seg.harness.spec import InMemory
from robustbench_seg.harness.store import Store
from robustbench_seg.registries import DATASETS

UNITS = [Unit(0, chunk, range(chunk, chunk + 1), (0, 2, 5)) for chunk in range(5)]


@pytest.mark.parametrize(("workers", "whole"), [(1, 5), (2, 4), (4, 4), (5, 5), (8, 0)])
def test_what_does_not_divide_evenly_is_cut_into_families(workers, whole):
    pieces = share(UNITS, workers)
    assert pieces[:whole] == UNITS[:whole]
    assert all(len(piece.families) == 1 for piece in pieces[whole:])
    cells = [(piece.chunk, family) for piece in pieces for family in piece.families]
    assert cells == [(unit.chunk, family) for unit in UNITS for family in unit.families]


def test_a_unit_cut_into_families_gives_the_same_results(request_for, tmp_path):
    evaluation = Evaluation(request_for("toy-multi"))
    unit = next(evaluation.plan.units(set()))
    assert len(unit.families) > 5
    whole = Worker(evaluation.job(tmp_path)).run(unit)
    pieces = [result for piece in by_family(unit) for result in Worker(evaluation.job(tmp_path)).run(piece)]
    assert [result.family for result in pieces] == [result.family for result in whole]
    for a, b in zip(whole, pieces, strict=True):
        assert [cell.images for cell in a.cells] == [cell.images for cell in b.cells]


def test_an_announced_unit_is_read_aside_and_once(request_for, tmp_path, monkeypatch):
    evaluation = Evaluation(request_for("toy-single"))
    first, second = list(evaluation.plan.units(set()))[:2]
    worker = Worker(evaluation.job(tmp_path))
    worker.run(first)
    expected = worker.run(second)
    kind, seen = type(evaluation.datasets[0]), []
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


def test_progress_counts_a_chunk_once_all_its_families_are_done(request_for, tmp_path):
    seen = []
    request = request_for("toy-single", batch_size=12, workers=2, in_process=True)
    execute(Evaluation(request, tmp_path), tmp_path, seen.append)
    assert {progress.total for progress in seen} == {1}
    assert [progress.done for progress in seen] == [0] * (len(seen) - 1) + [1]
    assert len(seen) > 5


def test_run_json_names_the_workers_and_their_shards(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    with Store(tmp_path / "run" / "store.sqlite") as store:
        shards = len(store.done())
    assert run.info["workers"] == {f"{socket.gethostname()}:{os.getpid()}": shards}


@pytest.mark.slow
def test_a_killed_worker_leaves_no_trace_but_its_name(faulty_run, without_fault, tmp_path):
    expected = without_fault("kill")
    run = faulty_run(tmp_path / "run", "kill", workers=2)
    assert (tmp_path / "marker").exists()
    assert run.info["failures"] == {}
    assert (run.folder / "summary.csv").read_bytes() == expected


@pytest.mark.slow
def test_what_kills_its_worker_every_time_fails_alone_and_is_left_to_do(faulty_run, tmp_path):
    run = faulty_run(tmp_path / "run", "kill", every_time=True, workers=2, limit=2)
    status = run.summary.groupby("attack").status.agg(set).to_dict()
    assert status == {"clean": {"ok"}, "gaussian": {"ok"}, "deadly": {"failed"}}
    ((error, count),) = run.info["failures"].items()
    assert "died" in error
    assert count == 2
    with Store(run.folder / "store.sqlite") as store:
        assert store.done() == {(0, 0, 0, 2), (0, 1, 0, 2)}
    # One piece is left, and must not be done by a worker that would take this process along.
    again = faulty_run(tmp_path / "run", "kill", every_time=True, workers=2, limit=2)
    assert again.info["failures"] == {error: count}


@pytest.mark.slow
def test_a_hung_worker_is_stopped_and_its_unit_tried_again(faulty_run, without_fault, tmp_path):
    expected = without_fault("hang")
    run = faulty_run(tmp_path / "run", "hang", workers=1, timeout=5)
    assert (tmp_path / "marker").exists()
    assert run.info["failures"] == {}
    assert (run.folder / "summary.csv").read_bytes() == expected


@pytest.fixture
def no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "robustbench_seg.harness.ray_engine", raising=False)


@pytest.mark.usefixtures("no_ray")
def test_ray_that_is_not_installed_is_one_line(request_for):
    with pytest.raises(UsageError, match=r"pip install 'robustbench-seg\[ray\]'"):
        Evaluation(request_for(engine="ray"))


def test_nothing_else_imports_ray():
    code = "import sys, robustbench_seg.harness.execute, robustbench_seg.cli.evaluate; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ray_refuses_objects_in_memory(request_for):
    pytest.importorskip("ray")
    request = request_for(engine="ray")
    for refused in (
        replace(request, datasets=[InMemory("mine", DATASETS.get("toy")())]),
        replace(request, in_process=True),
    ):
        with pytest.raises(UsageError, match=r"engine 'ray' cannot send .*use engine 'local'"):
            engine_of(refused)


def test_a_time_limit_within_this_process_is_refused(request_for):
    with pytest.raises(UsageError, match="timeout 5"):
        engine_of(request_for(in_process=True, timeout=5))
