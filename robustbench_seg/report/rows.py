"""The tables of a run as typed rows, and what a report needs of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from robustbench_seg.results.run import Panel

OUTCOMES = ("targets_changed", "targets_reached")
"""Metrics that count what a targeted attack reached, as shares of its targets."""


class Run(Protocol):
    """What a report reads: the three tables, run.json and the pictures of a run folder."""

    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def summary(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def classes(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def costs(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def info(self) -> Mapping[str, Any]: ...  # noqa: D102
    def panels(self) -> Sequence[Panel]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Row:
    """One line of summary.csv or classes.csv (there `label` is the class); None where the file is empty.

    `epsilon`, `rms` and `linf` are in grey values (0..255), `snr_db` in dB.
    """

    model: str
    dataset: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    task: str
    metric: str
    direction: str
    value: float | None
    clean: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    snr_db: float | None
    rms: float | None
    linf: float | None
    n_images: int
    n_unchanged: int
    status: str
    label: str = ""

    @property
    def failed(self) -> bool:
        """Whether an image of the cell failed."""
        return self.status != "ok"

    @property
    def aim(self) -> str:
        """What is attacked: a task, empty for noise, or the whole objective where it names no single task."""
        return aim(self.objective)

    @property
    def is_own(self) -> bool:
        """Whether the task measured is the one attacked (noise attacks every task)."""
        return self.aim in ("", self.task)

    @property
    def low(self) -> float:
        """The lower end of the interval of Q; Q itself where it has none, NaN without a Q."""
        return _first(self.ratio_low, self.ratio)

    @property
    def high(self) -> float:
        """The upper end of the interval of Q; Q itself where it has none, NaN without a Q."""
        return _first(self.ratio_high, self.ratio)

    @property
    def series(self) -> tuple[str, str, str]:
        """Which curve the row is a point of, within one model, data set and task."""
        return self.attack, self.objective, self.norm


_TEXT = ("model", "dataset", "attack", "objective", "norm", "task", "metric", "direction", "status")
_COUNTS = ("n_images", "n_unchanged")


def aim(objective: str) -> str:
    """The task an objective is about; the objective itself where it names none (`loss:cls`, `group:all`)."""
    return objective.partition("@")[2] or objective


def rows(table: pd.DataFrame) -> list[Row]:
    """The lines of summary.csv, or of classes.csv."""
    names = [field.name for field in fields(Row)]
    source = {"label": "class"}
    columns = [_column(table, name, source.get(name, name)) for name in names]
    return [Row(*values) for values in zip(*columns, strict=True)]


def _column(table: pd.DataFrame, name: str, source: str) -> list[Any]:
    if source not in table.columns:
        return [""] * len(table)
    values: list[Any] = table[source].tolist()
    if name in (*_TEXT, "label"):
        return values
    known = [value if math.isfinite(value) else None for value in map(float, values)]
    return [int(value or 0) for value in known] if name in _COUNTS else known


def _first(*values: float | None) -> float:
    return next((value for value in values if value is not None), math.nan)


def unique(values: Sequence[str]) -> list[str]:
    """The values once each, in order of appearance."""
    return list(dict.fromkeys(values))
