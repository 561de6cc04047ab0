"""Views: which rows are shown together, and the curves they make."""

from dataclasses import replace

import pytest

from robustbench_seg.report.views import View, views
from robustbench_seg.results.rows import read_rows
from tests.report.fake_run import GRID, FakeRun


@pytest.fixture(scope="module")
def semantic(run: FakeRun) -> View:
    return views(run.rows)[0]


def test_views_take_the_curve_metric(run: FakeRun) -> None:
    assert [(v.task, v.metric) for v in views(run.rows)] == [("semantic", "miou"), ("depth", "rmse")]


def test_a_task_without_a_known_curve_metric_has_its_first_one_drawn(run: FakeRun) -> None:
    table = run.summary.assign(task=run.summary["task"].replace("depth", "lanes"))
    assert [(v.task, v.metric) for v in views(read_rows(table))] == [("semantic", "miou"), ("lanes", "rmse")]


def test_epsilon_zero_is_in_no_curve(semantic: View) -> None:
    zero = tuple(replace(row, epsilon=0.0) if row.epsilon == 0.25 else row for row in semantic.rows)
    curves = replace(semantic, rows=zero).curves(own=True)
    assert all(row.epsilon != 0 for curve in curves for row in curve.points)


def test_two_norms_of_one_attack_are_two_curves(semantic: View) -> None:
    both = (*semantic.rows, *[replace(row, norm="rms") for row in semantic.rows if row.attack == "pgd"])
    labels = [curve.label for curve in replace(semantic, rows=both).curves(own=True)]
    assert {"PGD, L∞", "PGD, RMS"} <= set(labels)


def test_a_curve_is_one_model_under_one_perturbation_by_growing_epsilon(semantic: View) -> None:
    curves = semantic.curves(own=True)
    assert len(curves) == len({(curve.model, curve.label) for curve in curves}) == 12
    assert [row.epsilon for row in curves[0].points] == list(GRID)
    assert {curve.label for curve in curves if curve.is_unbounded} == {"DAG"}
    assert {curve.label for curve in semantic.curves(own=False)} == {
        "FGSM on depth",
        "PGD on depth",
        "Hiding person on depth",
    }


def test_the_clean_row_of_a_model(semantic: View) -> None:
    row = semantic.clean("street-multitask")
    assert row is not None
    assert (row.attack, row.value) == ("clean", 0.637)
    assert semantic.clean("another") is None
