"""Intervals: over images and from seeds (against scipy), their p-values, and verdicts."""

import math

import numpy as np
import pytest
from scipy.stats import kurtosis, norm, ttest_1samp, ttest_ind, ttest_rel

from robustbench_seg.results.intervals import (
    OPEN,
    UNKNOWN,
    from_seeds,
    holm,
    interval,
    normal_p_value,
    p_value,
    sign_of,
    spread,
    verdict,
)


@pytest.mark.parametrize("pairs", [2, 3, 9])
def test_groups_of_one_size_are_paired(pairs: int) -> None:
    first = np.random.default_rng(pairs).normal(0, 5, pairs)
    second = first + np.random.default_rng(0).normal(1, 0.1, pairs)
    expected = ttest_rel(second, first).confidence_interval()
    bounds, p = from_seeds(first, second)
    assert bounds == pytest.approx((expected.low, expected.high))
    assert p == pytest.approx(ttest_rel(second, first).pvalue)
    # By hand: the differences alone count, however much the trainings themselves vary.
    assert from_seeds(100 * first, 100 * first + second - first)[0] == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("sizes", [(2, 4), (3, 5), (8, 2)])
def test_others_are_compared_with_unequal_variances(sizes: tuple[int, int]) -> None:
    first, second = (np.random.default_rng(n).normal(n, 1 + i, n) for i, n in enumerate(sizes))
    expected = ttest_ind(second, first, equal_var=False).confidence_interval()
    bounds, p = from_seeds(first, second)
    assert bounds == pytest.approx((expected.low, expected.high))
    assert p == pytest.approx(ttest_ind(second, first, equal_var=False).pvalue)


def test_two_trainings_are_needed_on_each_side() -> None:
    assert from_seeds([1.0], [2.0, 3.0]) is None
    assert from_seeds([1.0, 2.0], [3.0]) is None
    assert from_seeds([1.0], [2.0]) is None


def test_without_spread_the_interval_is_the_difference() -> None:
    assert from_seeds([1.0, 1.0], [3.0, 3.0]) == ((2.0, 2.0), 0.0)
    assert from_seeds([1.0, 2.0], [3.0, 4.0]) == ((2.0, 2.0), 0.0)
    assert from_seeds([1.0, 1.0], [3.0, 3.0, 3.0]) == ((2.0, 2.0), 0.0)


@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_the_interval_of_a_mean_is_students(n: int) -> None:
    """Its kurtosis aside, which numbers at even distances have too little of to count."""
    values = np.linspace(0, 1, n)
    tested = ttest_1samp(values, 0.2)
    bounds = tested.confidence_interval()
    assert interval(values.mean(), without_each(values)) == pytest.approx((bounds.low, bounds.high))
    assert p_value(values.mean() - 0.2, without_each(values) - 0.2) == pytest.approx(tested.pvalue)


def test_the_standard_error_is_that_of_scipys_jackknife() -> None:
    """Which scipy keeps to itself, so by the formula of Efron and Tibshirani (1993, equation 11.5)."""
    values = np.random.default_rng(0).lognormal(size=30)
    left_out = np.array([np.std(np.delete(values, i)) for i in range(30)])
    found = spread(float(np.std(values)), left_out)
    assert found is not None
    assert found.error == pytest.approx(math.sqrt(29 / 30 * ((left_out - left_out.mean()) ** 2).sum()))


def test_the_bias_of_a_variance_is_found_whole() -> None:
    """Divided by n, it is s²/n too small (Quenouille 1956)."""
    values = np.random.default_rng(0).normal(size=20)
    left_out = np.array([np.var(np.delete(values, i)) for i in range(20)])
    found = spread(float(np.var(values)), left_out)
    assert found is not None
    assert found.bias == pytest.approx(-np.var(values, ddof=1) / 20)
    low, high = interval(float(np.var(values)), left_out)
    assert (low + high) / 2 - np.var(values) == pytest.approx(-found.bias / 4)


def test_heavy_tails_leave_fewer_degrees_of_freedom() -> None:
    values = np.append(np.linspace(-1, 1, 30), 20.0)
    found = spread(values.mean(), without_each(values))
    assert found is not None
    # By hand: 2 / Var(s²)/s⁴, with the unbiased kurtosis as scipy has it.
    assert found.freedom == pytest.approx(2 / (2 / 30 + kurtosis(values, bias=False) / 31))
    assert found.freedom < 3


def test_degrees_of_freedom_are_right_where_the_variance_of_a_variance_is_known() -> None:
    """Of Laplace's numbers the excess kurtosis is 3."""
    draws = np.random.default_rng(0).laplace(size=(200, 200))
    found = [spread(row.mean(), without_each(row)) for row in draws]
    shares = [2 / each.freedom for each in found if each]
    assert np.mean(shares) == pytest.approx(2 / 199 + 3 / 200, rel=0.1)


def test_what_rests_on_one_image_has_no_interval() -> None:
    assert np.isnan(interval(1.0, np.array([1.0, 1.0, np.nan]))).all()
    assert np.isnan(p_value(1.0, np.array([1.0, 1.0, np.nan])))
    assert np.isnan(interval(1.0, np.array([1.0]))).all()
    assert np.isnan(interval(np.nan, np.ones(9))).all()


def test_what_never_changes_is_sure() -> None:
    assert interval(0.5, np.full(9, 0.5)) == (0.5, 0.5)
    assert (p_value(0.5, np.full(9, 0.5)), p_value(0.0, np.zeros(9))) == (0.0, 1.0)


@pytest.mark.parametrize("shift", [-0.4, -0.1, 0.2, 0.7])
def test_the_p_value_is_that_of_the_interval_which_ends_at_zero(shift: float) -> None:
    values = np.random.default_rng(0).exponential(size=25)
    # A square of a mean has a bias.
    value, left_out = values.mean() ** 2 - 1 + shift, without_each(values) ** 2 - 1 + shift
    p = p_value(value, left_out)
    assert 0 < p < 1
    assert min(map(abs, interval(value, left_out, level=1 - p))) == pytest.approx(0, abs=1e-9)


def test_a_normal_p_value_is_that_of_the_interval() -> None:
    assert normal_p_value(0.2, (0.0, 0.5)) == pytest.approx(0.05)
    assert normal_p_value(-0.2, (-0.9, 0.0)) == pytest.approx(0.05)
    assert normal_p_value(0.2, (0.1, 0.3)) == pytest.approx(2 * norm.sf(2 * norm.isf(0.025)))
    assert normal_p_value(0.0, (-0.1, 0.2)) == 1.0
    assert normal_p_value(0.2, (0.2, 0.2)) == 0.0
    assert np.isnan(normal_p_value(0.2, (np.nan, np.nan)))


@pytest.mark.parametrize(
    ("value", "p", "n_images", "sign", "words"),
    [
        (0.2, 0.04, 8, 1, "up"),
        (-0.2, 0.04, 200, -1, "down"),
        (0.2, 0.06, 200, 0, OPEN),
        (0.2, 0.001, 7, 0, "too few images (n = 7)"),
        (0.2, float("nan"), 200, 0, UNKNOWN),
        (0.0, 0.0, 200, 0, OPEN),
    ],
)
def test_a_verdict_needs_a_p_value_and_enough_images(
    value: float, p: float, n_images: int, sign: int, words: str
) -> None:
    assert sign_of(value, p, n_images) == sign
    assert verdict(sign, p, n_images, "up", "down") == words


def without_each(values: np.ndarray) -> np.ndarray:
    return (values.sum() - values) / (len(values) - 1)


def test_the_correction_of_holm():
    """By hand: the smallest times how many there are, the next times one fewer, and none below the one before."""
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.001, 0.02]) == pytest.approx([0.6, 0.003, 0.04])
    assert holm([]) == []


def test_a_comparison_without_a_p_value_does_not_count():
    assert holm([0.03, float("nan"), 0.01]) == pytest.approx([0.03, float("nan"), 0.02], nan_ok=True)
