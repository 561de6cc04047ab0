"""A number over a set of images, with what its interval and its comparison with another number are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.randomness import generator
from robustbench_seg.results.intervals import LEVEL, NO_INTERVAL, Interval, interval, p_value
from robustbench_seg.tasks.base import Floats

ANY: Interval = (-math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class Sample:
    """A number over all images, and its values (U,) with one set of them left out in turn; None without a store.

    The true number lies in `limits`.
    """

    value: float
    left_out: Floats | None = None
    limits: Interval = ANY

    @property
    def interval(self) -> Interval:
        """Return the 95 % interval; NaN where there is none."""
        return self.interval_at(LEVEL)

    def interval_at(self, level: float) -> Interval:
        """Return the interval of another level; NaN where there is none."""
        if self.left_out is None:
            return NO_INTERVAL
        low, high = np.clip(interval(self.value, self.left_out, level), *self.limits)
        return float(low), float(high)

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of the number being 0; NaN where there is no interval."""
        return math.nan if self.left_out is None else p_value(self.value, self.left_out)

    def __sub__(self, other: Sample) -> Sample:
        """Return the difference over the same images."""
        return combined([other, self], lambda values: values[1] - values[0])


def combined(samples: Sequence[Sample], function: Callable[[Floats], Floats], limits: Interval = ANY) -> Sample:
    """A number made of others over the same images: `function` makes (n,) of their values (k,n), each column by itself.

    It has no interval where one of them has none.
    """
    (value,) = function(np.array([[sample.value] for sample in samples]))
    left_out = _left_out(samples)
    return Sample(float(value), None if left_out is None else function(left_out), limits)


def mean_of(values: Floats) -> Sample:
    """The mean of one number per image (n,)."""
    others = (values.sum() - values) / max(len(values) - 1, 1)
    return Sample(float(values.mean()), others)


def resampled(samples: Sequence[Sample], seed: int = 0, count: int = 1000) -> Floats | None:
    """Values (k,R) of numbers over the same images under bootstrap samples of these; None where one has no interval.

    For what leaving out few images seldom changes, such as ranks. Numbers are taken as linear in how often each set of
    images is drawn, by what leaving it out changes (Efron 1982, section 6).
    """
    left_out = _left_out(samples)
    if left_out is None or not np.isfinite(left_out).all():
        return None
    sets = left_out.shape[1]
    influences = (sets - 1) * (left_out.mean(1, keepdims=True) - left_out)
    draws = generator(seed, "bootstrap").multinomial(sets, np.full(sets, 1 / sets), size=count)
    values: Floats = np.array([[sample.value] for sample in samples]) + influences @ draws.T / sets
    return values


def _left_out(samples: Sequence[Sample]) -> Floats | None:
    known = [sample.left_out for sample in samples if sample.left_out is not None]
    if len(known) < len(samples) or len({len(each) for each in known}) != 1:
        return None
    return np.stack(known)
