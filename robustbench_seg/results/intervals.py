"""Intervals of 95 %: over images, from trainings with other seeds, and what they allow to say."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from robustbench_seg.tasks.base import Floats

LEVEL = 0.95

MIN_IMAGES = 8
"""No verdict is given over fewer images: coverage was measured from there on, and what one image does decides."""

OPEN, UNKNOWN = "statistically indistinguishable", "no interval"
"""The verdicts where an interval holds 0, and where there is none."""

Interval = tuple[float, float]
NO_INTERVAL: Interval = (math.nan, math.nan)


class Spread(NamedTuple):
    """How far a number may be from the true one: its standard error, the degrees of freedom of that, and its bias."""

    error: float
    freedom: float
    bias: float

    def quantile(self, level: float) -> float:
        """How many standard errors an interval of this level reaches to either side."""
        return float(stdtrit(self.freedom, (1 + level) / 2))


def spread(value: float, left_out: Floats) -> Spread | None:
    """What the jackknife (Tukey 1958) says of a number by its values (U,) with one set of images left out in turn.

    The degrees of freedom are those of a variance of U numbers with their kurtosis (O'Neill 2014): fewer where few sets
    decide. None below two sets, or where the number rests on a single set and has no value without it.
    """
    count = len(left_out)
    if count < 2 or not np.isfinite(value) or not np.isfinite(left_out).all():
        return None
    mean = float(left_out.mean())
    influences = (count - 1) * (mean - left_out)
    square = float(np.mean(influences**2))
    error = math.sqrt(square / (count - 1))
    return Spread(error, _freedom(influences, square), (count - 1) * (mean - value))


def _freedom(influences: Floats, square: float) -> float:
    """2 / (2 / (n - 1) + K / n) with the unbiased excess kurtosis K of normal samples (Joanes and Gill 1998)."""
    n = len(influences)
    if n < 4 or not square:
        return n - 1.0
    kurtosis = float(np.mean(influences**4)) / square**2
    excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (kurtosis - 3) + 6)
    return float(np.clip(2 / max(2 / (n - 1) + excess / n, 2 / n), 1, n - 1))


def interval(value: float, left_out: Floats, level: float = LEVEL) -> Interval:
    """The t interval around a number, from its values (U,) with one set of images left out in turn; NaN without one.

    On the side to which the number's bias points it reaches further by half of that: the jackknife's bias is too
    uncertain to be subtracted (average precision of few images), and too large to be left out. How often such
    intervals hold the true number is measured in tests/results/test_coverage.py.
    """
    known = spread(value, left_out)
    if known is None:
        return NO_INTERVAL
    reach = known.quantile(level) * known.error
    return value - reach - max(known.bias, 0) / 2, value + reach - min(known.bias, 0) / 2


def p_value(value: float, left_out: Floats) -> float:
    """The two-sided p-value of the true number being 0: 1 - level of the `interval` that ends there; NaN without."""
    known = spread(value, left_out)
    if known is None:
        return math.nan
    distance = max(0.0, abs(value) - max(math.copysign(1, value) * known.bias, 0) / 2)
    if not known.error:
        return float(distance == 0)
    return 2 * float(stdtr(known.freedom, -distance / known.error))


def from_seeds(first: Sequence[float], second: Sequence[float]) -> tuple[Interval, float] | None:
    """The 95 % t interval of mean(second) - mean(first) and the p-value of 0; None below two trainings on a side.

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
        return (difference, difference), float(difference == 0)
    with warnings.catch_warnings():
        # Trainings may differ by the same amount up to rounding.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = stats.ttest_rel(second, first) if is_paired else stats.ttest_ind(second, first, equal_var=False)
    bounds = test.confidence_interval(LEVEL)
    return (float(bounds.low), float(bounds.high)), float(test.pvalue)


def normal_p_value(value: float, bounds: Interval) -> float:
    """The two-sided p-value of 0 from a 95 % interval around a number, whose errors are taken as normal."""
    if math.isnan(bounds[0]):
        return math.nan
    reach = value - bounds[0] if value > 0 else bounds[1] - value
    if reach <= 0:
        return float(value == 0)
    return 2 * NormalDist().cdf(-abs(value) / reach * NormalDist().inv_cdf((1 + LEVEL) / 2))


def sign_of(value: float, p_value: float, n_images: int) -> int:
    """The sign of a number that differs from 0 beyond chance; 0 where it does not, or over too few images to say."""
    is_known = n_images >= MIN_IMAGES and p_value < 1 - LEVEL
    return int(math.copysign(1, value)) if is_known and value else 0


def verdict(sign: int, p_value: float, n_images: int, above: str, below: str) -> str:
    """The words for a number whose sign this is (`sign_of`); why there are none, where the sign is 0."""
    if math.isnan(p_value):
        return UNKNOWN
    if n_images < MIN_IMAGES:
        return too_few(n_images)
    return {1: above, -1: below, 0: OPEN}[sign]


def known_intervals(
    images: tuple[float | None, float | None], seeds: tuple[float | None, float | None]
) -> dict[str, Interval]:
    """The intervals that are there, by what they come from: `images`, `seeds`."""
    ends = {"images": images, "seeds": seeds}
    return {name: (low, high) for name, (low, high) in ends.items() if low is not None and high is not None}


def too_few(n_images: int) -> str:
    """What stands where a verdict would, over fewer than `MIN_IMAGES` images: `too few images (n = 5)`."""
    return f"too few images (n = {n_images})"


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
