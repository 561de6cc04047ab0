"""The numbers of the study's runs, looked up by group, data set, attack and radius."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robustbench_seg.results.differences import Comparison, Difference, compare
from robustbench_seg.results.groups import Group
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import Run
from robustbench_seg.studies.klingner2020.trainings import SINGLE

EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)

Cell = tuple[str, str, str, float | None]
"""Model, data set, attack, radius (grey values)."""


@dataclass(frozen=True)
class Results:
    """One run with its models in groups (by seed), the first of which the others are compared with.

    `metric` is the one the study looks at.
    """

    run: Run
    groups: Mapping[str, Sequence[str]]
    metric: str = "miou"

    @cached_property
    def rows(self) -> Mapping[Cell, Row]:
        """The metric's rows by cell."""
        found = [row for row in self.run.rows if row.metric == self.metric]
        return {(row.model, row.dataset, row.attack, row.epsilon if row.attack != CLEAN else 0.0): row for row in found}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The groups' names."""
        return tuple(self.groups)

    def each(self, kind: str, dataset: str, attack: str = CLEAN, epsilon: float = 0.0) -> list[Row]:
        """A row a training of the group; those that the run lacks are left out."""
        cells = [(model, dataset, attack, epsilon) for model in self.groups[kind]]
        return [self.rows[cell] for cell in cells if cell in self.rows]

    def clean(self, kind: str, dataset: str) -> float:
        """The clean metric, a mean over trainings; NaN where the run lacks it."""
        return _mean([row.value for row in self.each(kind, dataset)])

    def ratio(self, kind: str, dataset: str, attack: str, epsilon: float) -> float:
        """Q, a mean over trainings."""
        return _mean([row.ratio for row in self.each(kind, dataset, attack, epsilon)])

    def interval(self, kind: str, dataset: str, attack: str, epsilon: float) -> tuple[float, float]:
        """The interval of Q from images, its ends averaged over trainings."""
        found = self.each(kind, dataset, attack, epsilon)
        return _mean([row.low for row in found]), _mean([row.high for row in found])

    def spread(self, dataset: str, attack: str = CLEAN, epsilon: float = 0.0) -> float:
        """The largest difference between two trainings of one group, of the clean metric or of Q; 0 without two."""
        each = [self.each(kind, dataset, attack, epsilon) for kind in self.kinds]
        values = [[row.value if attack == CLEAN else row.ratio for row in rows] for rows in each]
        return max((max(known) - min(known) for found in values if (known := _known(found))), default=0.0)

    @cached_property
    def comparison(self) -> Comparison:
        """Every metric of each group against the first's."""
        return compare([self.run], [Group(kind, tuple(models)) for kind, models in self.groups.items()])

    @cached_property
    def differences(self) -> Mapping[tuple[str, str, str, float], Difference]:
        """Each group against the first: by group, data set, attack and radius."""
        return {
            (one.second, one.dataset, one.attack, one.epsilon or 0.0): one
            for one in self.comparison.differences
            if one.metric == self.metric and one.quantity == ("value" if one.attack == CLEAN else "ratio")
        }

    def difference(self, kind: str, dataset: str, attack: str = CLEAN, epsilon: float = 0.0) -> Difference | None:
        """Clean metric (attack `clean`) or Q of a group minus that of the first one."""
        return self.differences.get((kind, dataset, attack, epsilon))


def shown(kind: str) -> str:
    """A group's name in text."""
    return kind if kind == SINGLE else f"λ = {kind}"


def interval_texts(found: Difference) -> tuple[str, ...]:
    """The intervals of a difference of shares, in points: `images [-1.2, +0.4]`."""
    return tuple(f"{name} [{100 * low:+.1f}, {100 * high:+.1f}]" for name, (low, high) in found.intervals.items())


def _mean(values: Sequence[float | None]) -> float:
    known = _known(values)
    return float(np.mean(known)) if known else float("nan")


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
