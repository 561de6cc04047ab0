"""Summaries of corruptions against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robustbench_seg.results.corruptions import MEAN, Graded, corruption_rows, with_doubts
from robustbench_seg.results.intervals import interval
from robustbench_seg.results.keys import severity_of
from robustbench_seg.results.sample import Sample
from tests.results.stored_runs import ROW

N = 10


def sample(value, seed):
    return Sample(value, value + np.random.default_rng(seed).normal(0, 0.01, N))


def cells(model, values, task="semantic", clean=0.8, whole=True):
    """Graded cells of these values by corruption and severity, as errors of a metric of which more is better."""
    made = []
    for i, ((kind, severity), value) in enumerate(values.items()):
        known = sample(value, i)
        error = Sample(1 - known.value, 1 - known.left_out)
        ratio = Sample(known.value / clean, known.left_out / clean)
        made.append(
            Graded(model, "d", task, "miou", kind, severity, known, error, ratio, clean, N if whole else N - 1, whole)
        )
    return made


BASE = {("fog", 1): 0.6, ("fog", 2): 0.4, ("snow", 1): 0.5, ("snow", 2): 0.1}
BETTER = {("fog", 1): 0.8, ("fog", 2): 0.7, ("snow", 1): 0.5, ("snow", 2): 0.1}


@pytest.mark.parametrize(
    ("label", "severity"),
    [
        ("fog[severity=3]", 3),
        ("mine[severity=12]", 12),
        ("fog[severity=0]", None),
        ("fog", None),
        ("pgd[steps=3]", None),
        ("fog[severity=3, other=1]", None),
    ],
)
def test_the_severity_stands_in_the_label(label, severity):
    assert severity_of(label) == severity


def test_the_corruption_error_is_the_quotient_of_sums_and_mce_its_mean():
    rows = corruption_rows([*cells("base", BASE), *cells("better", BETTER, clean=0.9)])
    assert [(row.model, row.corruption) for row in rows] == [
        (model, kind) for model in ("base", "better") for kind in ("fog", "snow", MEAN)
    ]
    assert {row.baseline for row in rows} == {"base"}
    assert {row.severities for row in rows} == {"1 2"}
    assert [row.ce for row in rows[:3]] == [1, 1, 1]
    assert all(row.ce_low is None for row in rows[:3]), "of itself there is nothing to be uncertain of"
    fog, snow, mean = rows[3:]
    assert fog.ce == pytest.approx((0.2 + 0.3) / (0.4 + 0.6))
    assert (snow.ce, mean.ce) == pytest.approx((1, (0.5 + 1) / 2))
    assert (fog.value, fog.q, fog.clean) == pytest.approx((0.75, 0.75 / 0.9, 0.9))
    assert mean.q == pytest.approx((0.75 + 0.3) / 2 / 0.9)
    assert mean.value == pytest.approx((0.75 + 0.3) / 2)


def test_intervals_are_those_of_the_numbers_with_images_left_out():
    base, better = cells("base", BASE), cells("better", BETTER)
    fog = corruption_rows([*base, *better])[3]
    lost, reference = ([cell.error.left_out for cell in each[:2]] for each in (better, base))
    left_out = sum(lost) / sum(reference)
    assert (fog.ce_low, fog.ce_high) == pytest.approx(interval(fog.ce, left_out))
    ratios = sum(cell.ratio.left_out for cell in better[:2]) / 2
    assert (fog.q_low, fog.q_high) == pytest.approx(interval(fog.q, ratios))


def test_each_task_has_the_first_model_that_has_it_as_its_baseline():
    rows = corruption_rows([*cells("single", BASE), *cells("multi", BETTER), *cells("multi", BASE, task="depth")])
    assert {(row.task, row.baseline) for row in rows} == {("semantic", "single"), ("depth", "multi")}


def test_where_the_baseline_lacks_a_severity_there_is_no_corruption_error():
    short = {place: value for place, value in BASE.items() if place != ("snow", 2)}
    fog, snow, mean = corruption_rows([*cells("base", short), *cells("better", BETTER)])[3:]
    assert (fog.ce is None, snow.ce, mean.ce) == (False, None, None)
    assert mean.q > 0


def test_a_baseline_without_any_error_gives_none():
    perfect = dict.fromkeys(BASE, 1.0)
    exact = [replace(cell, error=Sample(0.0, np.zeros(N))) for cell in cells("base", perfect)]
    assert corruption_rows([*exact, *cells("other", BASE)])[-1].ce is None


def test_images_that_failed_are_said():
    rows = corruption_rows(cells("m", BASE, whole=False))
    assert {(row.status, row.n_images) for row in rows} == {("failed", N - 1)}


def test_a_summary_has_the_doubts_of_the_cells_it_is_made_of():
    made = corruption_rows([*cells("base", BASE), *cells("better", BETTER)])
    row = replace(ROW, dataset="d", task="semantic", metric="miou", objective="", norm="none", epsilon=None)
    rows = [
        replace(row, model="base", attack="clean", verdict="a"),
        replace(row, model="better", attack="snow[severity=2]", verdict="b; c"),
        replace(row, model="better", attack="pgd", verdict="d"),
    ]
    found = {(each.model, each.corruption): each.verdict for each in with_doubts(made, rows)}
    assert found["base", "fog"] == found["base", MEAN] == "a"
    assert found["better", "fog"] == "a", "the baseline's"
    assert found["better", "snow"] == found["better", MEAN] == "b; c; a"
