"""Samples: numbers made of others over the same images."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from robustbench_seg.results.sample import Sample, combined, mean_of, resampled

FIRST, SECOND = Sample(3.0, np.array([2.0, 3.0, 4.0])), Sample(1.0, np.array([1.0, 0.5, 0.0]))


def test_a_difference_leaves_out_the_same_images() -> None:
    difference = FIRST - SECOND
    assert difference.value == 2.0
    assert difference.left_out == pytest.approx([1.0, 2.5, 4.0])
    assert (FIRST - Sample(1.0)).left_out is None
    assert (FIRST - Sample(1.0, np.array([1.0, 2.0]))).left_out is None, "not the same images"


def test_without_a_store_there_is_neither_interval_nor_p_value() -> None:
    assert np.isnan([*Sample(1.0).interval, Sample(1.0).p_value]).all()


def test_a_number_is_made_of_others_column_by_column() -> None:
    total = combined([FIRST, SECOND], lambda values: values.sum(axis=0), limits=(0, 10))
    assert (total.value, total.limits) == (4.0, (0, 10))
    assert total.left_out == pytest.approx([3.0, 3.5, 4.0])
    assert combined([FIRST, Sample(4.0)], lambda values: values.sum(axis=0)).left_out is None


def test_an_interval_ends_where_the_number_can_lie() -> None:
    left_out = np.linspace(0.1, 0.3, 9)
    free, bounded = Sample(0.2, left_out), Sample(0.2, left_out, limits=(0.0, 1.0))
    assert free.interval[0] < 0
    assert bounded.interval == (0.0, pytest.approx(min(free.interval[1], 1.0)))


def test_the_mean_of_images() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = mean_of(values)
    assert found.value == 4.0
    assert found.left_out == pytest.approx([np.delete(values, i).mean() for i in range(4)])


def test_intervals_of_other_levels() -> None:
    values = np.linspace(-1, 1, 30) + 0.2
    tested = ttest_1samp(values, 0)
    expected = tested.confidence_interval(0.999)
    assert mean_of(values).interval_at(0.999) == pytest.approx((expected.low, expected.high))


def test_bootstrap_samples_of_means_are_those_of_the_images() -> None:
    values = np.random.default_rng(0).normal(size=(2, 50))
    values[1] = 2 * values[0] + 1
    drawn = resampled([mean_of(row) for row in values])
    assert drawn is not None
    assert drawn.shape == (2, 1000)
    assert drawn[1] == pytest.approx(2 * drawn[0] + 1), "the same images"
    assert drawn[0].mean() == pytest.approx(values[0].mean(), abs=0.02)
    assert drawn[0].std() == pytest.approx(values[0].std() / math.sqrt(50), rel=0.1)
    assert resampled([mean_of(values[0]), Sample(1.0)]) is None
