"""The effects of a run: for every attack with an objective, what it does to each task's curve metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from robustbench_seg.report.views import views
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.rows import OUTCOMES, Row, unique

_KEYS = ["model", "dataset", "attack", "objective", "norm", "epsilon", "task", "metric"]
COLUMNS = [*_KEYS, "direction", "clean", "value", "ratio", "ratio_low", "ratio_high"]
"""The columns of relationships.csv."""

Place = tuple[str, str]
"""A model and a data set."""


def place(row: Row) -> Place:
    """The model and data set of a row."""
    return row.model, row.dataset


def measured_tasks(rows: Sequence[Row]) -> dict[Place, list[str]]:
    """The tasks measured of each model on each data set."""
    tasks: dict[Place, list[str]] = {}
    for row in rows:
        if row.metric not in OUTCOMES:
            tasks.setdefault(place(row), []).append(row.task)
    return {where: unique(names) for where, names in tasks.items()}


def effects_of(rows: Sequence[Row]) -> list[Row]:
    """The rows of attacks with an objective in the metric Q is drawn of, in the order of the summary."""
    curves = {(view.dataset, view.task): view.metric for view in views(rows)}
    return [
        whole(row)
        for row in rows
        if row.objective and row.attack != CLEAN and curves.get((row.dataset, row.task)) == row.metric
    ]


def whole(row: Row) -> Row:
    """The row, without its numbers where an image of the cell failed: they stand for fewer images."""
    if not row.failed:
        return row
    return replace(row, value=None, clean=None, ratio=None, ratio_low=None, ratio_high=None)
