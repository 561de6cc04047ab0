import pytest

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec


@pytest.fixture
def made(monkeypatch):
    """What is loaded and built, by name."""
    seen = []

    def counted(kind, method, name):
        known = getattr(kind, method)

        def call(self, *arguments):
            seen.append(name(self))
            return known(self, *arguments)

        monkeypatch.setattr(kind, method, call)

    counted(ModelSpec, "load", lambda spec: spec.name)
    counted(DataSpec, "load", lambda spec: spec.name)
    counted(WorkerContext, "__post_init__", lambda context: (context.model.name, context.dataset.name))
    return seen


def test_a_process_loads_and_builds_everything_once(request_for, made, tmp_path):
    class Other(DATASETS.get("toy")):
        name = "other"

    sets = [DataSpec("toy"), InMemory("other", Other())]
    config = request_for("toy-single", "toy-multi", datasets=sets, batch_size=0, limit=2)
    run = run_evaluation(PreparedEvaluation(config, tmp_path), tmp_path)
    assert set(run.summary["status"]) == {"ok"}
    contexts = [(model, name) for model in ("toy-single", "toy-multi") for name in ("toy", "other")]
    assert sorted(made, key=repr) == sorted(["toy-single", "toy-multi", "toy", *contexts], key=repr)


def test_a_second_worker_of_the_process_has_a_model_of_its_own(request_for, made, tmp_path):
    config = request_for("toy-single", workers=2, in_process=True, batch_size=3)
    run_evaluation(PreparedEvaluation(config, tmp_path), tmp_path)
    assert made.count("toy-single") == 2
