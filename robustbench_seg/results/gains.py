"""Δ between groups of models: the mean relative gain over several tasks, clean and under every perturbation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown
from robustbench_seg.results.delta import relative_gain
from robustbench_seg.results.findings import doubts_of
from robustbench_seg.results.groups import Group
from robustbench_seg.results.intervals import Interval, from_seeds, holm, known_intervals, sign_of, verdict
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.measurements import Measurements, Unpaired
from robustbench_seg.results.merge import merge
from robustbench_seg.results.names import curve_metric
from robustbench_seg.results.pair import VALUE
from robustbench_seg.results.rows import SEPARATOR, Row, Series, unique
from robustbench_seg.results.run import Run
from robustbench_seg.results.sample import Sample, combined
from robustbench_seg.tasks.base import Floats

LEAST_LEFT = 0.1
"""A share of so little, left of a metric, is no scale for others."""
NEAR_ZERO = "the reference is near 0"


@dataclass(frozen=True)
class Gain:
    """Δ of group `second` against the reference `first` in per cent, positive is better: clean, or under one attack.

    The mean over `tasks` of the relative change of each one's curve metric (Vandenhende 2020), each under the attack on
    itself or under noise. A group's number is the mean over its trainings. `epsilon` is in units of 1/255 (0: clean,
    None: unbounded). `image_low` and `image_high` bound the interval from images, `seed_low` and `seed_high` that from
    `seeds` pairs of trainings; None without one. `left` is the least share of a clean metric that the reference keeps.
    `doubted` are the checks that doubt a number it is made of. `p_corrected` is after Holm's correction for all gains
    of a table.
    """

    first: str
    second: str
    dataset: str
    attack: str
    norm: str
    epsilon: float | None
    scored: str
    tasks: tuple[str, ...]
    gain: float
    image_low: float | None
    image_high: float | None
    seed_low: float | None
    seed_high: float | None
    seeds: int
    n_images: int
    left: float
    doubted: str
    p_value: float | None
    p_corrected: float | None = None

    @property
    def intervals(self) -> dict[str, Interval]:
        """The intervals that are there, by what they come from: `images`, `seeds`."""
        return known_intervals((self.image_low, self.image_high), (self.seed_low, self.seed_high))

    @property
    def verdict(self) -> str:
        """`better` or `worse` than the reference beyond chance; why there is no verdict where there is none."""
        if self.doubted:
            return f"not to be believed: {self.doubted}"
        if self.left < LEAST_LEFT:
            return NEAR_ZERO
        p = math.nan if self.p_corrected is None else self.p_corrected
        return verdict(sign_of(self.gain, p, self.n_images), p, self.n_images, "better", "worse")

    @property
    def pair(self) -> str:
        """Say what is compared with what."""
        return f"{self.second} against {self.first}"

    @property
    def series(self) -> Series:
        """The perturbation, whatever its epsilon and task."""
        return self.attack, "", self.norm, self.scored

    @property
    def is_own(self) -> bool:
        """Every task is under the attack on itself."""
        return True


class Gains(NamedTuple):
    """The gains of every group against the first, and why some have no interval or are missing."""

    gains: tuple[Gain, ...] = ()
    notes: tuple[str, ...] = ()


def gains_of(runs: Sequence[Run], groups: Sequence[Group], tasks: Sequence[str] = ()) -> Gains:
    """Every group against the first, clean and under every perturbation that all tasks were measured under.

    `tasks` are those that Δ is over, by default all that a group shares with the first; a partial Δ is over fewer. A
    group may hold models of one task each: its number of a task is the mean over those that have it. UsageError for
    fewer than two tasks, or one that no run has.
    """
    rows = [row for row in merge(runs, Path()).rows if _is_of_curve(row)]
    measured = unique([row.task for row in rows])
    _refuse(tasks, measured)
    places: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if not tasks or row.task in tasks:
            places.setdefault((row.dataset, row.attack, row.norm, row.scored, row.epsilon), []).append(row)
    found: list[Gain] = []
    notes: list[str] = []
    with Measurements(runs) as measurements:
        for second in groups[1:]:
            shared = _shared(groups[0], second, rows)
            for place in places.values():
                sides = _Sides(groups[0], second, tuple(tasks) or shared[place[0].dataset], place)
                found += sides.gain(measurements, notes)
    p_values = holm([math.nan if each.p_value is None else each.p_value for each in found])
    known = [None if math.isnan(p) else p for p in p_values]
    return Gains(
        tuple(replace(each, p_corrected=p) for each, p in zip(found, known, strict=True)), tuple(unique(notes))
    )


def gains_table(gains: Sequence[Gain]) -> pd.DataFrame:
    """One row per gain: its fields in order, the tasks in one text, then `verdict`."""
    names = [*(field.name for field in fields(Gain)), "verdict"]
    values = [[getattr(gain, name) for name in names] for gain in gains]
    frame = pd.DataFrame(values, columns=pd.Index(names))
    return frame.assign(tasks=["+".join(gain.tasks) for gain in gains])


def _is_of_curve(row: Row) -> bool:
    return row.metric == curve_metric(row.task) and row.objective in ("", row.task) and row.value is not None


def _refuse(tasks: Sequence[str], measured: Sequence[str]) -> None:
    for task in tasks:
        if task not in measured:
            raise UsageError(f"--tasks: {unknown('task', task, measured)}")
    if len(set(tasks)) == 1 or len(set(tasks)) < len(tasks):
        raise UsageError(f"--tasks {','.join(tasks)}: Δ is a mean over two tasks or more, each given once")


def _shared(first: Group, second: Group, rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """The tasks in which both groups were measured on clean images, by data set."""
    clean = [row for row in rows if row.attack == CLEAN]
    known = {(row.dataset, row.task, group) for row in clean for group in (first, second) if row.model in group.models}
    return {
        dataset: tuple(
            task
            for task in unique([row.task for row in clean if row.dataset == dataset])
            if {(dataset, task, first), (dataset, task, second)} <= known
        )
        for dataset in unique([row.dataset for row in rows])
    }


_Trainings = Mapping[str, Sequence[Sample]]
"""The curve metric of every training of a group by task."""


@dataclass(frozen=True)
class _Sides:
    """The reference `first` and the group `second` under one perturbation: the rows of all models there."""

    first: Group
    second: Group
    tasks: tuple[str, ...]
    place: Sequence[Row]

    def gain(self, measurements: Measurements, notes: list[str]) -> list[Gain]:
        """Δ; none where a side lacks a task, with a word in `notes` where the tables alone cannot give it."""
        rows = [row for group in (self.first, self.second) for row in self._rows(group)]
        if len(self.tasks) < 2 or not all(self._rows(group, task) for group in self._groups for task in self.tasks):
            return []
        paired = measurements.paired_in_tasks([(row.key, row.task) for row in rows])
        if not isinstance(paired, Unpaired):
            values = [cell.sample(curve_metric(row.task), VALUE) for cell, row in zip(paired, rows, strict=False)]
            return self._gain(dict(zip(rows, values, strict=False)), paired[0].n_images) if paired else []
        title = f"Δ of {self.second.name} against {self.first.name} on {rows[0].dataset}"
        notes.append(f"{title}: no interval, {paired.reason}.")
        if any(row.failed for row in rows) or len({row.n_images for row in rows}) > 1:
            notes.append(f"{title}: cells over different images are left out, for want of a store to pair them.")
            return []
        values = [Sample(math.nan if row.value is None else row.value) for row in rows]
        return self._gain(dict(zip(rows, values, strict=True)), rows[0].n_images)

    @property
    def _groups(self) -> tuple[Group, Group]:
        return self.first, self.second

    def _rows(self, group: Group, task: str = "") -> list[Row]:
        """The rows of a group's models in the order of its tasks and then of its models."""
        by_place = {(row.task, row.model): row for row in self.place}
        places = [(each, model) for each in ([task] if task else self.tasks) for model in group.models]
        return [by_place[place] for place in places if place in by_place]

    def _gain(self, samples: Mapping[Row, Sample], n_images: int) -> list[Gain]:
        a, b = (
            {task: [samples[row] for row in self._rows(group, task)] for task in self.tasks} for group in self._groups
        )
        tested, seeds = _delta(a, b), _over_seeds(a, b)
        if not math.isfinite(tested.value):
            return []
        low, high = (None if math.isnan(end) else end for end in tested.interval)
        ends = seeds[0] if seeds else (None, None)
        known = [p for p in (tested.p_value, seeds[1] if seeds else math.nan) if not math.isnan(p)]
        row = self.place[0]
        return [
            Gain(
                first=self.first.name,
                second=self.second.name,
                **{name: getattr(row, name) for name in ("dataset", "attack", "norm", "epsilon", "scored")},
                tasks=self.tasks,
                gain=tested.value,
                image_low=low,
                image_high=high,
                seed_low=ends[0],
                seed_high=ends[1],
                seeds=min(len(side[task]) for side in (a, b) for task in self.tasks),
                n_images=n_images,
                left=min(map(self._left, self.tasks)),
                doubted=SEPARATOR.join(doubts_of(samples)),
                p_value=max(known, default=None),
            )
        ]

    def _left(self, task: str) -> float:
        """The share of the clean metric that the reference keeps in a task; 1 where a lower metric is better."""
        rows = [row for row in self._rows(self.first, task) if row.direction == "higher" and row.clean]
        shares = [(row.value or 0.0) / (row.clean or 1.0) for row in rows]
        return float(np.mean(shares)) if shares else 1.0


def _delta(a: _Trainings, b: _Trainings) -> Sample:
    """Δ of the means of `b` against those of `a` in per cent."""
    means = [combined(side[task], lambda values: values.mean(axis=0)) for side in (a, b) for task in a]

    def mean_gain(values: Floats) -> Floats:
        first, second = np.split(values, 2)
        gains = [relative_gain(task, mine, reference) for task, mine, reference in zip(a, second, first, strict=True)]
        total: Floats = 100 * np.mean(gains, axis=0)
        return total

    with np.errstate(divide="ignore", invalid="ignore"):
        return combined(means, mean_gain)


def _over_seeds(a: _Trainings, b: _Trainings) -> tuple[Interval, float] | None:
    """The interval over trainings and the p-value of 0; None where a task has another number of them on some side.

    The gains of the pairs are relative to the mean of the reference's trainings, so that Δ is their mean.
    """
    counts = {len(side[task]) for side in (a, b) for task in a}
    if counts == {1} or len(counts) > 1:
        return None
    gains = []
    for task in a:
        first, second = (np.array([sample.value for sample in side[task]]) for side in (a, b))
        gains.append(relative_gain(task, first.mean() + second - first, np.full(len(first), first.mean())))
    by_seed = 100 * np.mean(gains, axis=0)
    return from_seeds([0.0] * len(by_seed), by_seed.tolist())
