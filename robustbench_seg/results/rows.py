"""The rows of a run's tables, typed: made from its store or read from its CSV files, and as pandas tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

import pandas as pd

from robustbench_seg.results.keys import FLOAT, CellKey

OUTCOMES = ("targets_changed", "targets_reached")
"""Metrics that count what a targeted attack reached, as shares of its targets."""

SOUND, SEPARATOR = "ok", "; "
"""The verdict of a number that no check doubts, and what stands between the names of the checks that doubt one."""

Series = tuple[str, str, str, str]
"""Attack, objective, norm and how images are scored: a perturbation, whatever its epsilon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRow:
    """What every row of every table has: the cell; `epsilon` in units of 1/255, None where it is unbounded.

    `scored` is how its images are scored: `float`, or `8 bit` where they are rounded as a PNG stores them.
    """

    model: str
    dataset: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    scored: str = FLOAT

    @property
    def key(self) -> CellKey:
        """Return what identifies the cell."""
        names = (self.model, self.dataset, self.attack, self.objective, self.norm, self.epsilon)
        return CellKey(*names, scored=self.scored)

    @property
    def series(self) -> Series:
        """The perturbation: which curve the row is a point of, within one model, data set and task."""
        return self.attack, self.objective, self.norm, self.scored


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow(CellRow):
    """One row of costs.csv: image passes through the model, seconds, and peak memory in MB, of one cell."""

    forwards: int
    backwards: int
    seconds: float
    peak_memory_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(CellRow):
    """One row of summary.csv, or of classes.csv (there `label` is the class); None where the field is empty.

    `rms` and `linf` are in units of 1/255, `snr_db` in dB. `direction` is what is better of the metric,
    `higher`, `lower` or empty; `ratio` is the retained performance Q; `verdict` is `ok`, the names of the checks that
    say that the number should not be believed, or empty where nothing was checked.
    """

    task: str
    metric: str
    label: str = ""
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
    verdict: str = ""

    @property
    def doubts(self) -> list[str]:
        """The names of the checks that say that the number should not be believed."""
        return _doubts(self.verdict)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One row of scores.csv: the robustness score of a task with its 95 % interval, and the epsilon at Q = 0.5.

    `metric` is the one Q is drawn of; the epsilon is in units of 1/255, 0.25 also where it lies below, 8 also where it
    lies above. Ends of intervals are None where there is none. `n_images` count in every cell of the worst case;
    `status` is `failed` where that is not all of them or a cell failed; `verdict` is that of the rows it is made of.
    """

    model: str
    dataset: str
    task: str
    metric: str
    score: float
    score_low: float | None
    score_high: float | None
    half_epsilon: float
    half_low: float | None
    half_high: float | None
    n_images: int
    status: str
    verdict: str = ""

    @property
    def doubts(self) -> list[str]:
        """The names of the checks that doubt a number it is made of."""
        return _doubts(self.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptionRow:
    """One row of corruptions.csv: a corruption over its `severities`, or the mean over all corruptions (`mean`).

    `value` is the mean of the metric that Q is drawn of, `q` that of Q, `ce` the corruption error relative to the model
    `baseline`, 1 where there is no more error than with that (see `results.corruptions`). What is not known is None.
    """

    model: str
    dataset: str
    task: str
    metric: str
    corruption: str
    severities: str
    clean: float
    value: float
    q: float
    q_low: float | None
    q_high: float | None
    ce: float | None
    ce_low: float | None
    ce_high: float | None
    baseline: str
    n_images: int
    status: str
    verdict: str = ""

    @property
    def doubts(self) -> list[str]:
        """The names of the checks that doubt a number it is made of."""
        return _doubts(self.verdict)


AnyRow = TypeVar("AnyRow", Row, CostRow, ScoreRow, CorruptionRow)

_LABEL = {"label": "class"}
CLASSES = [_LABEL.get(field.name, field.name) for field in fields(Row)]
SUMMARY = [name for name in CLASSES if name != "class"]
COSTS = [field.name for field in fields(CostRow)]
SCORES = [field.name for field in fields(ScoreRow)]
CORRUPTIONS = [field.name for field in fields(CorruptionRow)]
"""The columns of the five tables."""

KEYS = [field.name for field in fields(CellRow) if field.default is MISSING]
"""The columns that name a cell; every table of cells has them, also one from before images could be rounded."""
TEXT = (
    *("model", "dataset", "attack", "objective", "norm", "scored", "task", "metric", "class", "direction"),
    *("status", "verdict", "corruption", "severities", "baseline"),
)
_COUNTS = ("n_images", "n_unchanged", "forwards", "backwards")
_ABSENT = {"scored": FLOAT}
"""What a column holds that a table of an earlier version lacks."""


def _doubts(verdict: str) -> list[str]:
    return [] if verdict in ("", SOUND) else verdict.split(SEPARATOR)


def aim(objective: str) -> str:
    """The task an objective is about; the objective itself where it names none (`loss:cls`, `group:all`)."""
    return objective.partition("@")[2] or objective


def unique(values: Sequence[str]) -> list[str]:
    """Return the values once each, in order of appearance."""
    return list(dict.fromkeys(values))


def table(
    rows: Sequence[Row] | Sequence[CostRow] | Sequence[ScoreRow] | Sequence[CorruptionRow], columns: Sequence[str]
) -> pd.DataFrame:
    """Return the rows as a table of these columns; what is not known is NaN."""
    names = ["label" if column == "class" else column for column in columns]
    frame = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=pd.Index(columns))
    return frame.astype({column: float for column in columns if column not in (*TEXT, *_COUNTS)})


def read_rows(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table with the columns of summary.csv or classes.csv; numbers it lacks are None."""
    return _read(frame, Row)


def read_costs(frame: pd.DataFrame) -> list[CostRow]:
    """The rows of a table with the columns of costs.csv."""
    return _read(frame, CostRow)


def read_scores(frame: pd.DataFrame) -> list[ScoreRow]:
    """The rows of a table with the columns of scores.csv."""
    return _read(frame, ScoreRow)


def read_corruptions(frame: pd.DataFrame) -> list[CorruptionRow]:
    """The rows of a table with the columns of corruptions.csv."""
    return _read(frame, CorruptionRow)


def _read(frame: pd.DataFrame, kind: type[AnyRow]) -> list[AnyRow]:
    names = [field.name for field in fields(kind)]
    columns = [_column(frame, _LABEL.get(name, name)) for name in names]
    return [kind(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        return [_ABSENT.get(name, "" if name in TEXT else None)] * len(frame)
    values: list[Any] = frame[name].tolist()
    if name in TEXT:
        return values
    known = [value if math.isfinite(value) else None for value in map(float, values)]
    return [int(value or 0) for value in known] if name in _COUNTS else known


def _first(*values: float | None) -> float:
    return next((value for value in values if value is not None), math.nan)
