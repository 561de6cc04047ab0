"""The interval of a difference of means over trainings with other seeds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from robustbench_seg.results.bootstrap import LEVEL


def from_seeds(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % t interval of mean(second) - mean(first); None below two trainings on a side.

    Groups of one size are paired in the order given (Student 1908): trainings that share a seed share what it draws,
    and pairs that share nothing are as good as any. Others are compared with unequal variances (Welch 1947). Where
    nothing varies the interval is the difference itself.
    """
    from scipy import stats

    if min(len(first), len(second)) < 2:
        return None
    is_paired = len(first) == len(second)
    if not (np.ptp(np.subtract(second, first)) if is_paired else np.ptp(first) + np.ptp(second)):
        difference = float(np.mean(second) - np.mean(first))
        return difference, difference
    with warnings.catch_warnings():
        # Trainings may differ by the same amount up to rounding.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = stats.ttest_rel(second, first) if is_paired else stats.ttest_ind(second, first, equal_var=False)
    interval = test.confidence_interval(LEVEL)
    return float(interval.low), float(interval.high)
