"""The numbers of a run with its models in groups of seeds, and the comparisons of groups with the first one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from robustbench_seg.report.comparison import PERCENT, Comparison, Estimate, Scale
from robustbench_seg.results.differences import Difference, compare
from robustbench_seg.results.groups import Group
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.names import full_name, strength
from robustbench_seg.results.pair import RATIO, VALUE
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import Run


class Place(NamedTuple):
    """A cell whatever the model: data set, attack and ε; clean by default.

    `objective` is empty where the attack is on the task that is measured, or on none.
    """

    dataset: str
    attack: str = CLEAN
    epsilon: float | None = 0.0
    objective: str = ""

    @classmethod
    def of(cls, row: Row | Difference) -> Place:
        """Where a number was measured."""
        return cls(row.dataset, row.attack, row.epsilon, "" if row.is_own else row.objective)

    @property
    def title(self) -> str:
        """`street, FGSM at ε = 1`."""
        return f"{self.dataset}, " + ("clean" if self.attack == CLEAN else self.how)

    @property
    def how(self) -> str:
        """Attack and ε."""
        return f"{full_name(self.attack, self.objective)} {strength(self.epsilon)}"


def claimed(claim: Mapping[str, Any], epsilons: Sequence[float]) -> list[tuple[str, Place]]:
    """The (group, place) of every number that a finding in a study's TOML file is about.

    `claim` has `groups`, `datasets`, and `attacks` (none: clean) at its own `epsilons` or else at these.
    """
    cells = itertools.product(claim.get("attacks", ()), claim.get("epsilons", epsilons))
    places = [(dataset, *cell) for cell in cells for dataset in claim["datasets"]]
    clean = [(dataset, CLEAN, 0.0) for dataset in claim["datasets"]]
    return [(group, Place(*place)) for group in claim["groups"] for place in places or clean]


@dataclass(frozen=True)
class Grouped:
    """One run with its models in groups (by seed), the first of which the others are compared with.

    A number is the mean over the trainings of a group, of the clean `metric` or, in a perturbed cell, of its Q.
    """

    run: Run
    groups: Mapping[str, Sequence[str]]
    metric: str = "miou"

    @cached_property
    def rows(self) -> Mapping[tuple[str, Place], Row]:
        """The metric's rows by model and place."""
        rows = [row for row in self.run.rows if row.metric == self.metric]
        return {(row.model, Place.of(row)): row for row in rows}

    @property
    def first(self) -> str:
        """The group that the others are compared with."""
        return next(iter(self.groups))

    @property
    def others(self) -> list[str]:
        """The groups that are compared with the first."""
        return list(self.groups)[1:]

    def each(self, group: str, place: Place) -> list[float]:
        """The number of each training of a group; those that the run lacks are skipped."""
        numbers = [row.value if place.attack == CLEAN else row.ratio for row in self._rows(group, place)]
        return [number for number in numbers if number is not None]

    def mean(self, group: str, place: Place) -> float:
        """The mean over the trainings of a group; NaN where the run lacks them."""
        return _mean(self.each(group, place))

    def interval(self, group: str, place: Place) -> tuple[float, float]:
        """The interval of Q from images, its ends averaged over trainings; NaN without one."""
        rows = self._rows(group, place) if place.attack != CLEAN else []
        return _mean([row.low for row in rows]), _mean([row.high for row in rows])

    def spread(self, place: Place) -> float:
        """The largest difference between two trainings of one group; 0 without two."""
        return max(
            (max(known) - min(known) for group in self.groups if (known := self.each(group, place))), default=0.0
        )

    @cached_property
    def all_differences(self) -> Sequence[Difference]:
        """Every metric of each group against the first's."""
        return compare([self.run], [Group(name, tuple(models)) for name, models in self.groups.items()]).differences

    @cached_property
    def _differences(self) -> Mapping[tuple[str, Place], Difference]:
        return {
            (difference.second, Place.of(difference)): difference
            for difference in self.all_differences
            if difference.metric == self.metric
            and difference.quantity == (VALUE if difference.attack == CLEAN else RATIO)
        }

    def difference(self, group: str, place: Place) -> Difference | None:
        """The number of a group minus that of the first one."""
        return self._differences.get((group, place))

    def comparison(
        self, group: str, place: Place, seeds: Grouped | None = None, expected: int = 1, scale: Scale = PERCENT
    ) -> Comparison | None:
        """A group beside the first one.

        Where a group was trained once, its interval says nothing about another training: such a difference counts only
        beyond what `seeds`, a run with several trainings of one recipe, shows between two of them in the same cell.
        """
        difference = self.difference(group, place)
        if difference is None:
            return None
        sides = Estimate("", difference.b), Estimate(difference.first, difference.a)
        margin = 0.0 if seeds is None else seeds.spread(place)
        verdicts = "higher", "lower"
        compared = Comparison(group, place.title, *sides, difference.intervals, verdicts, n_images=difference.n_images)
        return replace(compared, margin=margin, expected=expected, scale=scale, p_value=difference.p_value)

    def comparisons(self, cells: Iterable[tuple[str, Place]], seeds: Grouped | None = None) -> list[Comparison]:
        """The comparison of every (group, place) that was measured."""
        return [one for group, place in cells if (one := self.comparison(group, place, seeds))]

    def _rows(self, group: str, place: Place) -> list[Row]:
        return [self.rows[model, place] for model in self.groups[group] if (model, place) in self.rows]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
