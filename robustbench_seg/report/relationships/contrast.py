"""Comparing two mean losses: how much more one set of attacks takes than another, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from robustbench_seg.results.rows import Row

Floats = npt.NDArray[np.float64]


class Key(NamedTuple):
    """Which cell and metric a ratio is of; `label` is a class, or empty for the metric over all of them."""

    model: str
    dataset: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    task: str
    metric: str
    label: str


def key(row: Row) -> Key:
    """The key of a row."""
    return Key(
        row.model, row.dataset, row.attack, row.objective, row.norm, row.epsilon, row.task, row.metric, row.label
    )


Draws = Mapping[Key, Floats]
"""Ratios (R,) under each resample of the images; R may differ between tasks, the first resamples are the same."""


@dataclass(frozen=True)
class Estimate:
    """A share (1 is all of the clean performance) and its 95 % interval; None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    def text(self, unit: str = "%") -> str:
        """Hundredths with one decimal: `21.3 % [18.0, 24.9]`."""
        interval = "" if self.low is None or self.high is None else f" [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.value:.1f} {unit}{interval}"


@dataclass(frozen=True)
class Side:
    """What is averaged: a name and the cells, all of them with a ratio."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Contrast:
    """The mean lost shares 1 - Q of two sides and their difference; `resamples` is 0 without a paired bootstrap."""

    title: str
    first: Side
    second: Side
    losses: tuple[Estimate, Estimate]
    difference: Estimate
    resamples: int

    @property
    def method(self) -> str:
        """How the interval of the difference was made."""
        return f"paired bootstrap, {self.resamples} resamples" if self.resamples else "from the single intervals"


def contrast(title: str, first: Side, second: Side, draws: Draws) -> Contrast | None:
    """The contrast of two sides, paired where every cell has its resamples; None where a side has no cell."""
    if not first.rows or not second.rows:
        return None
    keys = [key(row) for row in (*first.rows, *second.rows)]
    if all(one in draws for one in keys):
        return _paired(title, first, second, draws)
    losses = _marginal(first.rows), _marginal(second.rows)
    return Contrast(title, first, second, losses, _independent(*losses), 0)


def less_left(row: Row, other: Row, draws: Draws) -> int:
    """1 where clearly less is left (Q) in the one cell than in the other, -1 where more, 0 where it is open.

    By the interval of the difference under the same resamples, else by intervals that do not overlap.
    """
    pair = draws.get(key(row)), draws.get(key(other))
    if pair[0] is not None and pair[1] is not None:
        count = min(len(pair[0]), len(pair[1]))
        low, high = _interval(pair[1][:count] - pair[0][:count])
        return int(low > 0) - int(high < 0)
    if None in (row.ratio_low, row.ratio_high, other.ratio_low, other.ratio_high):
        return 0
    return int(row.high < other.low) - int(row.low > other.high)


def mean_lost(rows: Sequence[Row]) -> float:
    """The mean of 1 - Q; every row must have a ratio."""
    return math.fsum(1 - (row.ratio or 0.0) for row in rows) / len(rows)


def _paired(title: str, first: Side, second: Side, draws: Draws) -> Contrast:
    resamples = min(len(draws[key(row)]) for row in (*first.rows, *second.rows))
    samples = [np.mean([1 - draws[key(row)][:resamples] for row in side.rows], axis=0) for side in (first, second)]
    means = mean_lost(first.rows), mean_lost(second.rows)
    return Contrast(
        title,
        first,
        second,
        (_estimate(means[0], samples[0]), _estimate(means[1], samples[1])),
        _estimate(means[0] - means[1], samples[0] - samples[1]),
        resamples,
    )


def _estimate(value: float, samples: Floats) -> Estimate:
    low, high = _interval(samples)
    return Estimate(value) if math.isnan(low) else Estimate(value, low, high)


def _interval(samples: Floats) -> tuple[float, float]:
    # The evaluation' interval, imported late: what lies beside it needs torch, a page without a store does not.
    from robustbench_seg.results.bootstrap import interval

    return interval(samples)


def _marginal(rows: Sequence[Row]) -> Estimate:
    """The mean with the mean of the bounds: exact where the cells move together, too wide where they do not."""
    value = mean_lost(rows)
    if any(row.ratio_low is None or row.ratio_high is None for row in rows):
        return Estimate(value)
    low, high = (math.fsum(1 - bound for bound in bounds) / len(rows) for bounds in _bounds(rows))
    return Estimate(value, low, high)


def _bounds(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """The bounds of Q, the upper ones first: they bound the loss from below."""
    return [row.high for row in rows], [row.low for row in rows]


def _independent(first: Estimate, second: Estimate) -> Estimate:
    """The difference with errors added in quadrature: too wide where the two rise and fall on the same images."""
    value = first.value - second.value
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Estimate(value)
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value, value - below, value + above)
