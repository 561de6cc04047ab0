import pytest

from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.results import names
from robustbench_seg.tasks.registry import TASKS


def test_what_ships_has_titles() -> None:
    for entry in ATTACKS.entries():
        if entry.origin == "built-in":
            assert names.attack_title(entry.name) != entry.name
    for task in TASKS:
        assert names.task_name(task) == TASKS.get(task).title
        assert names.metric_of(task, names.curve_metric(task)) in TASKS.get(task).metrics
    assert [names.norm_name(norm) for norm in ("linf", "rms", "none", "l0")] == ["L∞", "RMS", "unbounded", "l0"]


def test_titles_of_attacks_have_variant_and_direction() -> None:
    assert names.attack_title("pgd[40 steps]") == "PGD"
    assert names.perturbation_name("pgd[40 steps]", "semantic") == "PGD, 40 steps"
    assert names.perturbation_name("pgd[steps=40]", "group:all") == "PGD on all tasks, steps = 40"
    assert names.attack_title("ni_fgsm") == "ni_fgsm"
    assert names.attack_title("dag", "none") == "DAG"
    assert names.attack_title("dag", "linf") == "DAG (direction)"


def test_epsilons_that_differ_in_the_last_bits_have_other_texts() -> None:
    epsilons = (0.3, 0.30000000000000004, 0.25, 16.0, 0.0)
    assert [names.epsilon_text(epsilon) for epsilon in epsilons] == ["0.3", "0.30000000000000004", "0.25", "16", "0"]
    assert names.strength(0.30000000000000004) == "at ε = 0.30000000000000004"
    assert names.epsilon_text(None) == "no ε"


def test_metrics_are_named_by_their_task() -> None:
    assert names.metric_name("depth", "abs_rel") == "AbsRel"
    assert names.metric_text("depth", "rmse", 3.41249) == "3.412 m"
    assert names.class_metric_name("semantic", "miou") == "IoU"
    assert names.metric_name("lane_width", "f1") == "f1"
    assert names.metric_text("lane_width", "f1", 0.5) == "0.500"
    assert names.task_name("lane_width") == "lane width"


@pytest.mark.parametrize(
    ("attack", "objective", "plain", "full"),
    [
        ("gaussian", "", "Gaussian noise", "Gaussian noise"),
        ("pgd", "semantic", "PGD", "PGD on semantic"),
        ("hide", "hide:person@depth", "Hiding person", "Hiding person on depth"),
        ("dag", "swap:person,car@semantic", "DAG person ↔ car", "DAG person ↔ car on semantic"),
        ("pgd", "group:geometric", "PGD on geometric tasks", "PGD on geometric tasks"),
        ("ni_fgsm", "new:thing@edges", "ni_fgsm new:thing", "ni_fgsm new:thing on edges"),
    ],
)
def test_perturbations_by_objective(attack: str, objective: str, plain: str, full: str) -> None:
    assert names.perturbation_name(attack, objective) == plain
    assert names.full_name(attack, objective) == full
