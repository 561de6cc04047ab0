import subprocess
import sys
from dataclasses import replace

import pytest

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.engines.base import ENGINES, Engine, engine_of
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.worker import Worker


@pytest.fixture
def no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "robustbench_seg.evaluation.engines.ray_actors", raising=False)


@pytest.mark.usefixtures("no_ray")
def test_ray_that_is_not_installed_is_one_line(request_for):
    with pytest.raises(UsageError, match=r"pip install 'robustbench-seg\[ray\]'"):
        PreparedEvaluation(request_for(engine="ray"))


@pytest.mark.slow
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


def one_after_another(job, work_items, workers, here):
    worker = Worker(job, here)
    yield from map(worker.run, work_items)
    worker.close()


def test_an_engine_is_a_function_of_job_and_work_items(run_in, tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "plain", lambda: Engine(one_after_another))
    runs = [run_in(tmp_path / engine, "toy-single", engine=engine, limit=6) for engine in ("local", "plain")]
    for name in ("summary.csv", "classes.csv"):
        assert len({(run.folder / name).read_bytes() for run in runs}) == 1
