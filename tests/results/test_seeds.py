"""Intervals from seeds against those of scipy."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from robustbench_seg.results.seeds import from_seeds


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
