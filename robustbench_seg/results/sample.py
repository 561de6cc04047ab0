"""A number over a set of images, with what its interval and its comparison with another number are made of."""

from __future__ import annotations

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
        if self.resampled is None or other.resampled is None:
            return Sample(self.value - other.value)
        common = min(len(self.resampled), len(other.resampled))
        return Sample(self.value - other.value, self.resampled[:common] - other.resampled[:common])
