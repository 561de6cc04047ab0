from pathlib import Path

import pytest

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.registry import load_plugin

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
PROTOCOL = Protocol(
    "toy",
    (
        AttackPlan("gaussian", (1.0, 8.0)),
        AttackPlan("salt_and_pepper", (8.0,)),
        AttackPlan("fgsm", (0.0, 8.0)),
        AttackPlan("pgd", (2.0, 8.0)),
        AttackPlan("dag", (), params={"steps": 5}),
        AttackPlan("hide", (8.0,), objectives=("hide:car",)),
    ),
)
WORST_CASE = Protocol(
    "worst case",
    tuple(
        AttackPlan(name, (2.0, 4.0), norm, params=params, variant=variant)
        for norm in ("linf", "rms")
        for name, params, variant in (
            ("worst", {}, ""),
            ("worst", {"by_image": True}, "by image"),
            ("apgd", {"steps": 6, "stages": True, "warm_start": True, "loss": "masked_ce"}, ""),
            ("cospgd", {"steps": 2}, ""),
        )
    ),
)
"""Epsilons that start from one another, and cells that are chosen from the others."""
DEADLY = Path(__file__).parents[1] / "plugins" / "deadly.py"


@pytest.fixture(autouse=True, scope="session")
def _toy():
    load_plugin(TOY)
    load_plugin(DEADLY)


@pytest.fixture
def without_checks(monkeypatch):
    """Nothing looks at the models before the work."""
    monkeypatch.setattr("robustbench_seg.evaluation.probing.MODEL_CHECKS", ())


@pytest.fixture(scope="session")
def request_for():
    """Build a request for the toy models; keyword arguments replace its fields."""

    def build(*models, **changes):
        fields = {
            "models": [ModelSpec(name) for name in models or ("toy-single", "toy-multi")],
            "datasets": [DataSpec("toy")],
            "protocol": PROTOCOL,
            "batch_size": 5,
            "workers": 1,
            "plugins": (str(TOY),),
        }
        return EvaluationConfig(**{**fields, **changes})

    return build


@pytest.fixture(scope="session")
def run_in(request_for):
    """Evaluate into a folder."""

    def run(folder, *models, **changes):
        return run_evaluation(PreparedEvaluation(request_for(*models, **changes), folder), folder)

    return run


@pytest.fixture
def faulty_run(run_in, tmp_path):
    """Evaluate under attacks of which one kills or hangs its worker, once or every time, into a folder."""

    def run(folder, fault, every_time=False, **changes):
        params = {"fault": fault, "marker": "" if every_time else str(tmp_path / "marker")}
        attacks = (AttackPlan("gaussian", (8.0,)), AttackPlan("deadly", (2.0,), params=params))
        plugins = (str(TOY), str(DEADLY))
        return run_in(folder, "toy-single", protocol=Protocol("faulty", attacks), plugins=plugins, **changes)

    return run


@pytest.fixture
def without_fault(faulty_run, tmp_path):
    """The bytes of summary.csv where nothing goes wrong."""

    def run(fault):
        (tmp_path / "marker").touch()
        folder = faulty_run(tmp_path / "without", fault).folder
        (tmp_path / "marker").unlink()
        return (folder / "summary.csv").read_bytes()

    return run
