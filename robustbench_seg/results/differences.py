"""Differences between groups of models place by place: over the same images where stores allow it, else by tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from robustbench_seg.results.groups import Group
from robustbench_seg.results.intervals import Interval, from_seeds, holm, known_intervals, sign_of, verdict
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.measurements import Measurements, Unpaired
from robustbench_seg.results.merge import merge
from robustbench_seg.results.names import curve_metric
from robustbench_seg.results.pair import RATIO
from robustbench_seg.results.places import Item, Numbers, Place, places_of
from robustbench_seg.results.rows import Row, Series, aim, unique
from robustbench_seg.results.run import Run
from robustbench_seg.results.sample import Sample, combined
from robustbench_seg.results.score import HALF_EPSILON, SCORE

PAGE = "page"
"""The family of the differences that a page shows."""


@dataclass(frozen=True)
class Difference:
    """One number of group `second` (B) minus that of group `first` (A), in one place, over the same `n_images` images.

    `a` and `b` are means over the trainings (`seeds_a`, `seeds_b`) of the group, in the unit of the metric for the
    quantity `value`, shares for `ratio`. `direction` is what is better of the metric; Q is better the higher it is.
    `epsilon` is in units of 1/255 (None: unbounded, or a number of the whole curve, `score` and `half_epsilon`; 0 for
    the attack `clean`, which has no ratio). `image_low` and `image_high` bound the interval from images, `seed_low` and
    `seed_high` that from seeds; None without one. `n_images` are those that the numbers are over. `p_value` is the
    larger one of those that go with the intervals, `p_corrected` that after Holm's correction for its `family`.
    """

    first: str
    second: str
    dataset: str
    task: str
    metric: str
    direction: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    scored: str
    quantity: str
    a: float
    b: float
    difference: float
    image_low: float | None
    image_high: float | None
    seed_low: float | None
    seed_high: float | None
    seeds_a: int
    seeds_b: int
    n_images: int
    p_value: float | None
    p_corrected: float | None = None

    @property
    def intervals(self) -> dict[str, Interval]:
        """The intervals that are there, by what they come from: `images`, `seeds`."""
        return known_intervals((self.image_low, self.image_high), (self.seed_low, self.seed_high))

    @property
    def verdict(self) -> str:
        """`higher` or `lower`: B against A where the corrected p-value is below 5 %; else see `intervals.verdict`."""
        p = math.nan if self.p_corrected is None else self.p_corrected
        return verdict(sign_of(self.difference, p, self.n_images), p, self.n_images, "higher", "lower")

    @property
    def family(self) -> str:
        """What it is one of many of: `score`, `half_epsilon`, `page` (Q, and the clean metric Q is of), `rest`."""
        if self.quantity in (SCORE, HALF_EPSILON):
            return self.quantity
        is_shown = self.metric == curve_metric(self.task) and (self.quantity == RATIO or self.attack == CLEAN)
        return PAGE if is_shown else "rest"

    @property
    def pair(self) -> str:
        """Say what is subtracted from what."""
        return f"{self.second} − {self.first}"

    @property
    def series(self) -> Series:
        """The perturbation, whatever its epsilon."""
        return self.attack, self.objective, self.norm, self.scored

    @property
    def is_own(self) -> bool:
        """Whether the task measured is the one attacked (noise attacks every task)."""
        return aim(self.objective) in ("", self.task)


@dataclass(frozen=True)
class Comparison:
    """The groups, their differences pair by pair, and why some have no interval or are missing."""

    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def compare(runs: Sequence[Run], groups: Sequence[Group], rows: Sequence[Row] | None = None) -> Comparison:
    """The first group against each other one: every metric with a direction in every cell and task that both have.

    Then the robustness score, and the epsilon at Q = 0.5, of the tasks that have one for both.

    `groups` hold models as they are called among all runs (`merge.model_names`). Numbers are over the images that
    count for every model of both groups and come with an interval over these; where a store is missing they come from
    summary.csv, without one. Where `rows` of the merged runs are given (see `merge`), only their cells and tasks.
    """
    merged = merge(runs, Path())
    differences: dict[Group, list[Difference]] = {group: [] for group in groups[1:]}
    notes: list[str] = []
    with Measurements(runs) as measurements:
        for place in places_of(merged.rows if rows is None else rows, merged.score_rows):
            for second, listed in differences.items():
                listed += _Sides(groups[0], second, place).differences(measurements, notes)
    return Comparison(tuple(groups), corrected([*chain(*differences.values())]), tuple(unique(notes)))


def corrected(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same with their p-values corrected for how many comparisons each family has (Holm 1979)."""
    p_values = [math.nan if each.p_value is None else each.p_value for each in differences]
    adjusted = list(p_values)
    for family in {each.family for each in differences}:
        mine = [i for i, each in enumerate(differences) if each.family == family]
        for i, p in zip(mine, holm([p_values[i] for i in mine]), strict=True):
            adjusted[i] = p
    return tuple(
        replace(each, p_corrected=None if math.isnan(p) else p) for each, p in zip(differences, adjusted, strict=True)
    )


def differences_table(differences: Sequence[Difference]) -> pd.DataFrame:
    """One row per difference: its fields in order, then `verdict`."""
    names = [*(field.name for field in fields(Difference)), "verdict"]
    values = [[getattr(difference, name) for name in names] for difference in differences]
    return pd.DataFrame(values, columns=pd.Index(names))


class _Basis(NamedTuple):
    """Over how many images numbers are, and whether those of several trainings have an interval from their seeds."""

    n_images: int
    has_seeds: bool = True


@dataclass(frozen=True)
class _Sides:
    """Groups A (`first`) and B (`second`) in one place."""

    first: Group
    second: Group
    place: Place

    def differences(self, measurements: Measurements, notes: list[str]) -> list[Difference]:
        """A difference for every item that a model of each group has a value of; what they lack goes into `notes`."""
        sides = [self._models(group) for group in (self.first, self.second)]
        if not all(sides):
            return []
        models = [*sides[0], *sides[1]]
        rows = [of_cell[0] for model in models for of_cell in self.place.rows(model)]
        paired = measurements.paired([row.key for row in rows], rows[0].task)
        if not isinstance(paired, Unpaired):
            cells = len(self.place.cells)
            by_model = [paired[start : start + cells] for start in range(0, len(paired), cells)]
            numbers = [self.place.stored(values) for values in by_model]
            basis = _Basis(paired[0].n_images if paired else 0)
            return self._differences(dict(zip(models, numbers, strict=False)), basis)
        title = f"{self.first.name} and {self.second.name} on {rows[0].dataset}"
        lacking = "no interval from images" if paired.is_same_measurement else "no interval"
        notes.append(f"{title}: {lacking}, {paired.reason}.")
        if any(row.failed for row in rows) or len({row.n_images for row in rows}) > 1:
            notes.append(f"{title}: cells over different images are left out, for want of a store to pair them.")
            return []
        numbers = [self.place.tabled(self.place.rows(model)) for model in models]
        basis = _Basis(rows[0].n_images, paired.is_same_measurement)
        return self._differences(dict(zip(models, numbers, strict=True)), basis)

    def _models(self, group: Group) -> list[str]:
        return [model for model in group.models if self.place.rows(model)]

    def _differences(self, numbers: Mapping[str, Numbers], basis: _Basis) -> list[Difference]:
        sides = [
            [numbers[model] for model in self._models(group) if model in numbers] for group in (self.first, self.second)
        ]
        differences = []
        for item in dict.fromkeys(chain(*sides[0], *sides[1])):
            a, b = ([of[item] for of in side if item in of and np.isfinite(of[item].value)] for side in sides)
            if a and b:
                differences.append(self._difference(item, a, b, basis))
        return differences

    def _difference(self, item: Item, a: Sequence[Sample], b: Sequence[Sample], basis: _Basis) -> Difference:
        of_a, of_b = (float(np.mean([sample.value for sample in side])) for side in (a, b))
        tested = _from_images(a, b), _from_seeds(a, b) if basis.has_seeds else None
        names = ("dataset", "task", "attack", "objective", "norm", "scored")
        place = {name: getattr(self.place.row, name) for name in names}
        (image_low, image_high), (seed_low, seed_high) = (each[0] if each else (None, None) for each in tested)
        return Difference(
            first=self.first.name,
            second=self.second.name,
            **place,
            epsilon=self.place.epsilon,
            **item._asdict(),
            a=of_a,
            b=of_b,
            difference=of_b - of_a,
            image_low=image_low,
            image_high=image_high,
            seed_low=seed_low,
            seed_high=seed_high,
            seeds_a=len(a),
            seeds_b=len(b),
            n_images=basis.n_images,
            p_value=max((each[1] for each in tested if each), default=None),
        )


_Tested = tuple[Interval, float]
"""An interval and the p-value of 0."""


def _from_images(a: Sequence[Sample], b: Sequence[Sample]) -> _Tested | None:
    """Over the images, of the difference of the means."""
    difference = combined([*a, *b], lambda values: values[len(a) :].mean(axis=0) - values[: len(a)].mean(axis=0))
    return None if math.isnan(difference.p_value) else (difference.interval, difference.p_value)


def _from_seeds(a: Sequence[Sample], b: Sequence[Sample]) -> _Tested | None:
    """Over the trainings."""
    return from_seeds([sample.value for sample in a], [sample.value for sample in b])
