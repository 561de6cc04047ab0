"""What is compared: a number of one model in one cell, with its values under each resample where a store has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from robustbench_seg.report.relationships.contrast import Floats
from robustbench_seg.report.rows import OUTCOMES, Row
from robustbench_seg.results.keys import CLEAN

VALUE, RATIO = "value", "ratio"
"""The metric itself, and the metric ratio Q."""


class Place(NamedTuple):
    """A cell without its model; `epsilon` in grey values as in summary.csv (None: unbounded)."""

    dataset: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None


class Item(NamedTuple):
    """What a number is of: a metric, the direction that is better (`higher`, `lower`), and the quantity."""

    metric: str
    direction: str
    quantity: str


class Number(NamedTuple):
    """A number over all images, and (R,) under each resample of them (None without a store)."""

    value: float
    samples: Floats | None = None


Numbers = dict[Item, Number]


def place(row: Row) -> Place:
    """The cell a row is of."""
    return Place(row.dataset, row.attack, row.objective, row.norm, row.epsilon)


def is_compared(row: Row) -> bool:
    """Whether a row's metric has a better direction; shares of targets and shapes of boxes have none."""
    return bool(row.direction) and row.metric not in OUTCOMES


def tabled(rows: Sequence[Row]) -> Numbers:
    """One model's numbers in one cell and task from summary.csv, without resamples. Clean rows have no Q."""
    known: Numbers = {}
    for row in rows:
        quantities = {VALUE: row.value, RATIO: None if row.attack == CLEAN else row.ratio}
        for quantity, value in quantities.items():
            if value is not None:
                known[Item(row.metric, row.direction, quantity)] = Number(value)
    return known
