"""Intervals of 95 %: from bootstrap samples, from trainings with other seeds, and what they allow to say."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from statistics import NormalDist

import numpy as np

from robustbench_seg.tasks.base import Floats

LEVEL = 0.95

OPEN, UNKNOWN = "statistically indistinguishable", "no interval"
"""The verdicts where an interval holds 0, and where there is none."""

Interval = tuple[float, float]


def interval(samples: Floats) -> Interval:
    """The central 95 % of the samples that have a value; NaN where none has."""
    known = samples[np.isfinite(samples)]
    if not len(known):
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def from_seeds(first: Sequence[float], second: Sequence[float]) -> Interval | None:
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
    bounds = test.confidence_interval(LEVEL)
    return float(bounds.low), float(bounds.high)


def sign_of(intervals: Collection[Interval]) -> int:
    """The side of 0 that every interval lies on, 1 or -1; 0 where one holds 0, they disagree or there is none."""
    if not intervals:
        return 0
    return int(all(low > 0 for low, _ in intervals)) - int(all(high < 0 for _, high in intervals))


def verdict(intervals: Collection[Interval], sign: int, above: str, below: str) -> str:
    """The words for a difference whose intervals have this sign."""
    return {1: above, -1: below, 0: OPEN}[sign] if intervals else UNKNOWN


def corrected(value: float, samples: Floats, comparisons: int) -> Interval:
    """The normal interval around a value, which holds 0 in 95 % of all cases in which so many comparisons all should.

    Its width is the bootstrap's standard error times the quantile of Bonferroni's level, which lies further out than
    samples themselves reach.
    """
    known = samples[np.isfinite(samples)]
    if len(known) < 2:
        return float("nan"), float("nan")
    half = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * comparisons)) * float(np.std(known, ddof=1))
    return value - half, value + half


def p_value(value: float, samples: Floats) -> float:
    """The two-sided p-value of the true number being 0; NaN with fewer than two samples."""
    known = samples[np.isfinite(samples)]
    if len(known) < 2 or not np.isfinite(value):
        return float("nan")
    spread = float(np.std(known, ddof=1))
    if not spread:
        return float(value == 0)
    return 2 * NormalDist().cdf(-abs(value) / spread)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for how many there are (Holm 1979): each is at most as large as Bonferroni's.

    Below 1 - LEVEL, a corrected one stands; NaN stays NaN and counts as no comparison.
    """
    known = [i for i, p in enumerate(p_values) if not np.isnan(p)]
    adjusted = [float("nan")] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
