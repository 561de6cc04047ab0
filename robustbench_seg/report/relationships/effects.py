"""The effects of a run: for every attack with an objective, what it leaves of each task's curve metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import pandas as pd

from robustbench_seg.report.views import views
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.rows import OUTCOMES, Row, unique

COLUMNS = [
    "model",
    "dataset",
    "attack",
    "objective",
    "norm",
    "epsilon",
    "task",
    "metric",
    "direction",
    "clean",
    "value",
    "ratio",
    "ratio_low",
    "ratio_high",
]
"""The columns of relationships.csv."""

Place = tuple[str, str]
"""A model and a data set."""


def place(row: Row) -> Place:
    """The model and data set of a row."""
    return row.model, row.dataset


def measured_tasks(rows: Sequence[Row]) -> dict[Place, list[str]]:
    """The tasks measured of each model on each data set."""
    found: dict[Place, list[str]] = {}
    for row in rows:
        if row.metric not in OUTCOMES:
            found.setdefault(place(row), []).append(row.task)
    return {where: unique(tasks) for where, tasks in found.items()}


def effects(rows: Sequence[Row]) -> list[Row]:
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


def effects_table(found: Sequence[Row]) -> pd.DataFrame:
    """relationships.csv: a row an effect; what is not known is NaN, written as an empty field."""
    names = [field.name for field in fields(Row) if field.name in COLUMNS]
    table = pd.DataFrame([[getattr(row, name) for name in names] for row in found], columns=names)
    numbers = ["epsilon", "clean", "value", "ratio", "ratio_low", "ratio_high"]
    return table[COLUMNS].astype(dict.fromkeys(numbers, float))
