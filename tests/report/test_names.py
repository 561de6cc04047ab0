import pytest

from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.report import names
from robustbench_seg.report.pictures import light
from robustbench_seg.tasks.registry import TASKS
from tests.report.fake_run import FakeRun


def test_names_cover_what_ships() -> None:
    assert set(names.ATTACKS) == {entry.name for entry in ATTACKS.entries() if entry.origin == "built-in"}
    for task in [entry.name for entry in TASKS.entries() if entry.origin == "built-in"]:
        made = TASKS.get(task)()
        assert names.CURVES[task] == made.curve
        assert {m.name: m.unit for m in made.metrics} == {m.name: names.METRICS[m.name][1] for m in made.metrics}


@pytest.mark.parametrize(
    ("attack", "objective", "plain", "full"),
    [
        ("gaussian", "", "Gaussian noise", "Gaussian noise"),
        ("pgd", "semantic", "PGD", "PGD on semantic"),
        ("hide", "hide:person@depth", "Hiding person", "Hiding person on depth"),
        ("dag", "swap:person,car@semantic", "DAG person ↔ car", "DAG person ↔ car on semantic"),
        ("pgd", "loss:cls", "PGD on the box classification loss", "PGD on the box classification loss"),
        ("pgd", "group:geometric", "PGD on geometric tasks", "PGD on geometric tasks"),
        ("pgd[steps=40]", "depth", "PGD, steps = 40", "PGD, steps = 40 on depth"),
        ("mi_fgsm", "new:thing@edges", "mi_fgsm new:thing", "mi_fgsm new:thing on edges"),
    ],
)
def test_perturbations_by_objective(attack: str, objective: str, plain: str, full: str) -> None:
    assert names.perturbation_name(attack, objective) == plain
    assert names.full_name(attack, objective) == full


def test_heavy_pictures_become_small_jpegs(run: FakeRun) -> None:
    pngs = run.pictures[1].pngs
    assert light(pngs["perturbation"]).startswith("data:image/jpeg")
    assert light(pngs["prediction:semantic"]).startswith("data:image/png")
    assert light(None) is None
