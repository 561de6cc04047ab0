from robustbench_seg.evaluation.engines.base import Engine
from robustbench_seg.evaluation.engines.registry import ENGINES
from robustbench_seg.evaluation.worker import Worker


def one_after_another(job, work_items, workers, here):
    worker = Worker(job, here)
    yield from map(worker.run, work_items)
    worker.close()


def test_an_engine_is_a_function_of_job_and_work_items(run_in, tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "plain", lambda: Engine(one_after_another))
    runs = [run_in(tmp_path / engine, "toy-single", engine=engine, limit=6) for engine in ("local", "plain")]
    for name in ("summary.csv", "classes.csv"):
        assert len({(run.folder / name).read_bytes() for run in runs}) == 1
