"""Intervals: from samples, from seeds (against scipy), and their verdicts."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from robustbench_seg.results.intervals import (
    OPEN,
    UNKNOWN,
    corrected,
    from_seeds,
    holm,
    interval,
    p_value,
    sign_of,
    verdict,
)


@pytest.mark.parametrize("pairs", [2, 3, 9])
def test_groups_of_one_size_are_paired(pairs: int) -> None:
    first = np.random.default_rng(pairs).normal(0, 5, pairs)
    second = first + np.random.default_rng(0).normal(1, 0.1, pairs)
    expected = ttest_rel(second, first).confidence_interval()
    assert from_seeds(first, second) == pytest.approx((expected.low, expected.high))
    # By hand: the differences alone count, however much the trainings themselves vary.
    assert from_seeds(100 * first, 100 * first + second - first) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("sizes", [(2, 4), (3, 5), (8, 2)])
def test_others_are_compared_with_unequal_variances(sizes: tuple[int, int]) -> None:
    first, second = (np.random.default_rng(n).normal(n, 1 + i, n) for i, n in enumerate(sizes))
    expected = ttest_ind(second, first, equal_var=False).confidence_interval()
    assert from_seeds(first, second) == pytest.approx((expected.low, expected.high))


def test_two_trainings_are_needed_on_each_side() -> None:
    assert from_seeds([1.0], [2.0, 3.0]) is None
    assert from_seeds([1.0, 2.0], [3.0]) is None
    assert from_seeds([1.0], [2.0]) is None


def test_without_spread_the_interval_is_the_difference() -> None:
    assert from_seeds([1.0, 1.0], [3.0, 3.0]) == (2.0, 2.0)
    assert from_seeds([1.0, 2.0], [3.0, 4.0]) == (2.0, 2.0)
    assert from_seeds([1.0, 1.0], [3.0, 3.0, 3.0]) == (2.0, 2.0)


def test_interval_ignores_what_has_no_value():
    low, high = interval(np.asarray([np.nan, *np.linspace(0, 1, 1001)]))
    assert (low, high) == (pytest.approx(0.025), pytest.approx(0.975))
    assert all(np.isnan(interval(np.asarray([np.nan]))))


@pytest.mark.parametrize(
    ("intervals", "sign", "words"),
    [
        ([(0.1, 0.2)], 1, "up"),
        ([(0.1, 0.2), (0.3, 0.9)], 1, "up"),
        ([(-0.2, -0.1)], -1, "down"),
        ([(0.1, 0.2), (-0.2, -0.1)], 0, OPEN),
        ([(0.0, 0.2)], 0, OPEN),
        ([], 0, UNKNOWN),
    ],
)
def test_every_interval_must_lie_on_one_side(intervals, sign, words):
    assert sign_of(intervals) == sign
    assert verdict(intervals, sign, "up", "down") == words


def test_a_corrected_interval_holds_all_of_many_true_values_as_often_as_it_says():
    """Twenty means of 50 normal numbers each: all lie in their intervals in 95 % of the cases."""
    draw = np.random.default_rng(0)
    cases, comparisons = 400, 20
    held = 0
    for _ in range(cases):
        means = draw.normal(0, 1, comparisons)
        intervals = [corrected(mean, draw.normal(mean, 1, 500), comparisons) for mean in means]
        held += all(low <= 0 <= high for low, high in intervals)
    assert abs(held / cases - 0.95) < 0.035


def test_a_corrected_interval_of_one_comparison_is_the_normal_one():
    low, high = corrected(2.0, np.array([1.0, 2.0, 3.0, np.nan]), 1)
    assert (low, high) == pytest.approx((2 - 1.96, 2 + 1.96), abs=1e-3)
    assert np.isnan(corrected(2.0, np.array([np.nan, 1.0]), 1)).all()


def test_the_correction_of_holm():
    """By hand: the smallest times how many there are, the next times one fewer, and none below the one before."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.001, 0.02]) == pytest.approx([0.6, 0.003, 0.04])
    assert holm([]) == []


def test_a_comparison_without_a_p_value_does_not_count():
    assert holm([0.03, float("nan"), 0.01]) == pytest.approx([0.03, float("nan"), 0.02], nan_ok=True)


def test_a_p_value_of_a_normal_number():
    samples = np.array([-1.0, 0.0, 1.0])
    assert p_value(1.959964, samples) == pytest.approx(0.05)
    assert p_value(-1.959964, samples) == pytest.approx(0.05)
    assert p_value(0.0, samples) == 1.0
    assert np.isnan(p_value(0.0, np.array([1.0, np.nan])))
    assert (p_value(0.0, np.ones(3)), p_value(1.0, np.ones(3))) == (1.0, 0.0)
