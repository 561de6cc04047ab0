"""Samples: numbers made of others over the same images."""

import numpy as np
import pytest

from robustbench_seg.results.sample import Sample, combined


def test_a_difference_is_over_the_bootstrap_samples_that_both_have() -> None:
    first, second = Sample(3.0, np.array([2.0, 3.0, 4.0])), Sample(1.0, np.array([1.0, 0.5]))
    difference = first - second
    assert difference.value == 2.0
    assert difference.resampled == pytest.approx([1.0, 2.5])
    assert (first - Sample(1.0)).resampled is None


def test_without_a_store_there_is_neither_interval_nor_p_value() -> None:
    assert np.isnan([*Sample(1.0).interval, Sample(1.0).p_value]).all()


def test_a_number_made_of_others_is_made_of_them_in_each_bootstrap_sample() -> None:
    first, second = Sample(2.0, np.array([1.0, 3.0])), Sample(4.0, np.array([5.0, 7.0, 9.0]))
    total = combined([first, second], lambda values: values.sum(axis=0))
    assert total.value == 6.0
    assert total.resampled == pytest.approx([6.0, 10.0])
    assert combined([first, Sample(4.0)], lambda values: values.sum(axis=0)).resampled is None
