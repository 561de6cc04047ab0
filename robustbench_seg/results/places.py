"""Where models are compared: in one cell, or over the cells of a worst-case curve; and the numbers they have there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.pair import RATIO, VALUE, CellValues
from robustbench_seg.results.rows import OUTCOMES, Row, ScoreRow, unique
from robustbench_seg.results.sample import Sample
from robustbench_seg.results.score import HALF_EPSILON, SCORE, numbers_of, score_grid, worst_series
from robustbench_seg.results.tables import DIRECTIONS


class Item(NamedTuple):
    """What a number is of: a metric, the direction that is better, and the quantity."""

    metric: str
    direction: str
    quantity: str


Numbers = Mapping[Item, Sample]
Measured = Mapping[str, Sequence[Row]]
"""The rows of one cell and task by model."""


@dataclass(frozen=True)
class Place(ABC):
    """Cells in which models were measured, all with the same models."""

    cells: tuple[Measured, ...]

    @property
    def row(self) -> Row:
        """A row that says which place this is."""
        return next(iter(self.cells[0].values()))[0]

    @property
    def epsilon(self) -> float | None:
        """The epsilon of the place; None where it has none."""
        return self.row.epsilon

    def rows(self, model: str) -> list[Sequence[Row]]:
        """The rows of a model, cell by cell; none where it was not measured here."""
        return [cell[model] for cell in self.cells if model in cell]

    @abstractmethod
    def stored(self, values: Sequence[CellValues]) -> Numbers:
        """The numbers of a model from its values, cell by cell."""

    @abstractmethod
    def tabled(self, rows: Sequence[Sequence[Row]]) -> Numbers:
        """The same from its rows, without intervals."""


class Cell(Place):
    """One cell: the value of every metric that has a direction, and its Q where the cell is not the clean one."""

    def stored(self, values: Sequence[CellValues]) -> Numbers:
        """See `Place`."""
        ((cell,), quantities) = values, self._quantities
        return {
            Item(metric.name, DIRECTIONS[metric.higher_is_better], quantity): cell.sample(metric.name, quantity)
            for metric in cell.task.metrics
            if metric.higher_is_better is not None
            for quantity in quantities
        }

    def tabled(self, rows: Sequence[Sequence[Row]]) -> Numbers:
        """See `Place`."""
        return {
            Item(row.metric, row.direction, quantity): Sample(value)
            for row in rows[0]
            for quantity, value in ((VALUE, row.value), (RATIO, row.ratio))
            if value is not None and quantity in self._quantities
        }

    @property
    def _quantities(self) -> tuple[str, ...]:
        return (VALUE,) if self.row.attack == CLEAN else (VALUE, RATIO)


class Curve(Place):
    """The cells of a task's own worst case over the grid of the robustness score, rows of the metric Q is drawn of."""

    @property
    def epsilon(self) -> float | None:
        """None: the numbers are of the whole curve."""
        return None

    def stored(self, values: Sequence[CellValues]) -> Numbers:
        """See `Place`."""
        return self._numbers([cell.sample(self.row.metric) for cell in values])

    def tabled(self, rows: Sequence[Sequence[Row]]) -> Numbers:
        """See `Place`."""
        return self._numbers([Sample(np.nan if row.ratio is None else row.ratio) for (row,) in rows])

    def _numbers(self, curve: Sequence[Sample]) -> Numbers:
        grid = [next(iter(cell.values()))[0].epsilon or 0.0 for cell in self.cells]
        numbers = zip((SCORE, HALF_EPSILON), numbers_of(grid, curve), strict=True)
        return {Item(self.row.metric, self.row.direction, quantity): sample for quantity, sample in numbers}


def places_of(rows: Sequence[Row], scores: Sequence[ScoreRow]) -> Iterator[Place]:
    """The cells that these rows are of, in order of appearance, then the curves of the tasks that have a score.

    A curve is over the epsilons that all models with a score share.
    """
    cells: dict[tuple[object, ...], dict[str, list[Row]]] = {}
    for row in rows:
        if row.direction and row.metric not in OUTCOMES:
            models = cells.setdefault((row.dataset, *row.series, row.epsilon, row.task), {})
            models.setdefault(row.model, []).append(row)
    yield from (Cell((cell,)) for cell in cells.values())
    for dataset, task, metric in dict.fromkeys((score.dataset, score.task, score.metric) for score in scores):
        of_metric = [row for row in rows if (row.dataset, row.task, row.metric) == (dataset, task, metric)]
        mine = [row for row in of_metric if row.series == worst_series(task)]
        scored = {score.model for score in scores if (score.dataset, score.task) == (dataset, task)}
        yield from _curve(mine, [model for model in unique([row.model for row in mine]) if model in scored])


def _curve(rows: Sequence[Row], models: Sequence[str]) -> Iterator[Curve]:
    """The curve of these models; none where they do not share a grid."""
    by_place = {(row.epsilon, row.model): row for row in rows}
    shared = [epsilon for epsilon, _ in by_place if all((epsilon, model) in by_place for model in models)]
    if grid := score_grid(shared):
        yield Curve(tuple({model: [by_place[epsilon, model]] for model in models} for epsilon in grid))
