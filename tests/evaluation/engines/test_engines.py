import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.engines.registry import engine_of
from robustbench_seg.evaluation.plan import WorkItem, share
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.worker import Worker
from robustbench_seg.results.store import Store

UNITS = [WorkItem(0, shard, range(shard, shard + 1), (0, 2, 5)) for shard in range(5)]


@pytest.mark.parametrize(("workers", "whole"), [(1, 5), (2, 4), (4, 4), (5, 5), (8, 0)])
def test_what_does_not_divide_evenly_is_cut_into_families(workers, whole):
    pieces = share(UNITS, workers)
    assert pieces[:whole] == UNITS[:whole]
    assert all(len(piece.configurations) == 1 for piece in pieces[whole:])
    cells = [(piece.shard, configuration) for piece in pieces for configuration in piece.configurations]
    assert cells == [
        (work_item.shard, configuration) for work_item in UNITS for configuration in work_item.configurations
    ]


def test_a_unit_cut_into_families_gives_the_same_results(request_for, tmp_path):
    prepared = PreparedEvaluation(request_for("toy-multi"))
    work_item = next(prepared.plan.work_items(set()))
    assert len(work_item.configurations) > 5
    whole = Worker(prepared.job(tmp_path)).run(work_item)
    pieces = [result for piece in work_item.by_configuration() for result in Worker(prepared.job(tmp_path)).run(piece)]
    assert [result.configuration for result in pieces] == [result.configuration for result in whole]
    for a, b in zip(whole, pieces, strict=True):
        assert [cell.images for cell in a.cells] == [cell.images for cell in b.cells]


def test_an_announced_unit_is_read_aside_and_once(request_for, tmp_path, monkeypatch):
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


def test_progress_counts_a_chunk_once_all_its_families_are_done(request_for, tmp_path):
    seen = []
    config = request_for("toy-single", batch_size=12, workers=2, in_process=True)
    run_evaluation(PreparedEvaluation(config, tmp_path), tmp_path, seen.append)
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
    monkeypatch.delitem(sys.modules, "robustbench_seg.evaluation.engines.ray_actors", raising=False)


@pytest.mark.usefixtures("no_ray")
def test_ray_that_is_not_installed_is_one_line(request_for):
    with pytest.raises(UsageError, match=r"pip install 'robustbench-seg\[ray\]'"):
        PreparedEvaluation(request_for(engine="ray"))


def test_nothing_else_imports_ray():
    code = "import sys, robustbench_seg.evaluation.run, robustbench_seg.cli.evaluate; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ray_refuses_objects_in_memory(request_for):
    pytest.importorskip("ray")
    config = request_for(engine="ray")
    for refused in (
        replace(config, datasets=[InMemory("mine", DATASETS.get("toy")())]),
        replace(config, in_process=True),
    ):
        with pytest.raises(UsageError, match=r"engine 'ray' cannot send .*use engine 'local'"):
            engine_of(refused)


def test_a_time_limit_within_this_process_is_refused(request_for):
    with pytest.raises(UsageError, match="timeout 5"):
        engine_of(request_for(in_process=True, timeout=5))
