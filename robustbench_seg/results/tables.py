"""From stored statistics to the rows of the tables, one file each. A pure function of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.results.corruptions import Graded, corruption_rows, graded
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.keys import AttackConfiguration, CellKey
from robustbench_seg.results.pair import CLEAN_VALUE, RATIO, VALUE, CellValues, PairResults
from robustbench_seg.results.records import ImageResult
from robustbench_seg.results.rows import CorruptionRow, CostRow, Row, ScoreRow, aim
from robustbench_seg.results.score import scores
from robustbench_seg.tasks.base import Metric, Task

DIRECTIONS = {True: "higher", False: "lower", None: ""}
"""What is better of a metric, as the tables say it."""
_NUMBERS = ("value", "clean", "ratio", "ratio_low", "ratio_high")
_COLUMNS = ("model", "dataset", "attack", "objective", "norm", "epsilon", "scored")

Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Tables:
    """The rows of the five tables of a run, a sentence on how intervals were made for each data set, and findings.

    Rows have a verdict once they are checked, and findings then.
    """

    summary: Sequence[Row]
    classes: Sequence[Row]
    costs: Sequence[CostRow]
    intervals: Mapping[str, str] = field(default_factory=dict)
    scores: Sequence[ScoreRow] = ()
    corruptions: Sequence[CorruptionRow] = ()
    findings: Sequence[Finding] = ()


def tabulate(pairs: Sequence[PairResults]) -> Tables:
    """Return all rows of all cells that are stored, in the order of the manifest."""
    summary: list[Row] = []
    classes: list[Row] = []
    costs: list[CostRow] = []
    scored: list[ScoreRow] = []
    cells: list[Graded] = []
    for pair in pairs:
        for configuration in pair.pair.configurations:
            for cell in filter(_Cell.is_stored, _cells(pair, configuration)):
                costs.append(cell.cost())
                for task in pair.tasks.values():
                    summary += cell.overall(task)
                    classes += cell.per_class(task)
                summary += cell.outcomes()
            # While its cells are still kept.
            scored += scores(pair, configuration)
            cells += graded(pair, configuration)
    intervals = {pair.pair.dataset: pair.leave_out[1] for pair in pairs}
    return Tables(summary, classes, costs, intervals, scored, corruption_rows(cells))


def _cells(pair: PairResults, configuration: AttackConfiguration) -> list[_Cell]:
    model, dataset = pair.pair.model, pair.pair.dataset
    return [_Cell(pair, configuration.key(model, dataset, *cell)) for cell in configuration.cells]


class _Cell:
    """One cell against the clean one over the images that have a value in both."""

    def __init__(self, pair: PairResults, key: CellKey) -> None:
        self.pair, self._key = pair, key
        self._names = {name: getattr(key, name) for name in _COLUMNS}

    def is_stored(self) -> bool:
        """Whether any of its images is stored."""
        return bool(self.pair.results(self._key))

    def cost(self) -> CostRow:
        """Return what it cost."""
        return cost_row(self._key, self.pair.cost(self._key))

    def overall(self, task: Task) -> Iterator[Row]:
        """Return one row per metric."""
        values = self._values(task)
        for metric in task.metrics:
            yield self._row(task.name, metric.name, DIRECTIONS[metric.higher_is_better], _numbers(values, metric))

    def per_class(self, task: Task) -> Iterator[Row]:
        """Return one row per metric and scored class."""
        values = self._values(task)
        for metric in task.metrics:
            for label in values.labels(metric.name) if values else ():
                numbers = _numbers(values, metric, label)
                yield self._row(task.name, metric.name, DIRECTIONS[metric.higher_is_better], numbers, label)

    def outcomes(self) -> Iterator[Row]:
        """What a targeted attack reached, as shares of its targets."""
        totals: Counter[str] = Counter()
        # A worst case may have chosen among attacks that count targets and others.
        for result in self._counted if all(result.outcome for result in self._counted) else ():
            totals.update(result.outcome)
        targets = totals.pop("targets", 0)
        for name, count in sorted(totals.items()):
            numbers = dict.fromkeys(_NUMBERS) | {"value": count / targets if targets else None}
            yield self._row(aim(self._key.objective), name, "", numbers)

    @cached_property
    def _counted(self) -> Sequence[ImageResult]:
        return self.pair.counted(self._key)

    def _values(self, task: Task) -> CellValues | None:
        return self.pair.values(self._key, task, [result.image for result in self._counted]) if self._counted else None

    def _row(self, task: str, metric: str, direction: str, numbers: Numbers, label: str = "") -> Row:
        names: dict[str, Any] = {"task": task, "metric": metric, "label": label, "direction": direction}
        return Row(**(self._names | names | numbers | self._realised))

    @cached_property
    def _realised(self) -> dict[str, Any]:
        """Mean SNR over the images that moved, root mean square of the RMS, largest L-infinity, counts, status."""
        snr = [result.snr_db for result in self._counted if result.snr_db is not None]
        return {
            "snr_db": float(np.mean(snr)) if snr else None,
            "rms": float(np.sqrt(np.mean([result.rms**2 for result in self._counted]))) if self._counted else None,
            "linf": max((result.linf for result in self._counted), default=None),
            "n_images": len(self._counted),
            "n_unchanged": sum(result.unchanged for result in self._counted),
            "status": "ok" if self._is_whole() else "failed",
        }

    def _is_whole(self) -> bool:
        """Whether no image failed and a gradient that was asked for reached any.

        A cell of an interrupted run, with images still to do, is not whole either.
        """
        if self.pair.facts(self._key).is_unreached:
            return False
        clean, stored = self.pair.clean.results, self.pair.results(self._key)
        complete = len(stored) == len(clean) == self.pair.n_images
        return complete and not any(result.error for result in (*clean, *stored))


def cost_row(key: CellKey, cost: Cost) -> CostRow:
    """What a cell cost, as a row."""
    names = {name: getattr(key, name) for name in _COLUMNS}
    return CostRow(**names, **asdict(cost))


def _numbers(values: CellValues | None, metric: Metric, label: str = "") -> Numbers:
    """The value, that of the clean images, and Q with its interval; None for what is not known."""
    if values is None:
        return dict.fromkeys(_NUMBERS)
    value, clean = (values.sample(metric.name, quantity, label).value for quantity in (VALUE, CLEAN_VALUE))
    q = values.sample(metric.name, RATIO, label)
    bounds = q.interval if np.isfinite(q.value) else (np.nan, np.nan)
    numbers = zip(_NUMBERS, (value, clean, q.value, *bounds), strict=True)
    return {name: number if np.isfinite(number) else None for name, number in numbers}
