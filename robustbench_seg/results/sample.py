"""A number over a set of images, with what its interval and its comparison with another number are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.results.intervals import Interval, interval, p_value
from robustbench_seg.tasks.base import Floats


@dataclass(frozen=True, eq=False)
class Sample:
    """A number over all images, and its values (R,) under each bootstrap sample of them; None without a store."""

    value: float
    resampled: Floats | None = None

    @property
    def interval(self) -> Interval:
        """Return the 95 % interval; NaN where there is none."""
        return (np.nan, np.nan) if self.resampled is None else interval(self.resampled)

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of the number being 0; NaN where there is no interval."""
        return np.nan if self.resampled is None else p_value(self.value, self.resampled)

    def __sub__(self, other: Sample) -> Sample:
        """Return the difference over the same images, under the bootstrap samples that both have."""
        return combined([other, self], lambda values: values[1] - values[0])


def combined(samples: Sequence[Sample], function: Callable[[Floats], Floats]) -> Sample:
    """A number made of others over the same images: `function` makes (n,) of their values (k,n), each column by itself.

    Its bootstrap samples are those that all have.
    """
    (value,) = function(np.array([[sample.value] for sample in samples]))
    resampled = [sample.resampled for sample in samples if sample.resampled is not None]
    if len(resampled) < len(samples):
        return Sample(float(value))
    common = min(map(len, resampled))
    return Sample(float(value), function(np.stack([each[:common] for each in resampled])))
