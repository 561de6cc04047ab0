"""What a benchmark leaves behind: one JSON file an environment, strict when it is read.

Record       schema, environment, entries
Entry        one benchmark: figures with all raw measurements, or the reason why it was not measured
Figure       one published number, worked out from its raw measurements and nothing else
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from robustbench_seg.results.files import write_text
from robustbench_seg.strict import from_table

SCHEMA = 1
Raw = dict[str, tuple[float, ...]]
How = Literal["quotient", "median", "line"]


@dataclass(frozen=True)
class Figure:
    """One number and what it is made of.

    `raw` holds every measurement, in the order taken, by what was measured; `unit` is theirs (s, MB, points).
    `how` says how `value` follows from their medians: `quotient` of the first by the second, the `median` of the
    only one, or R² of a straight `line` through them over their names, which are numbers. A target is a bound from
    one side. `numbers` and `notes` add what was seen beside.
    """

    name: str
    how: How
    unit: str
    raw: Raw
    value: float
    at_most: float | None = None
    at_least: float | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = [value for series in self.raw.values() for value in series]
        if not all(self.raw.values()) or not all(math.isfinite(value) and value >= 0 for value in values):
            raise ValueError("raw: every series must hold finite numbers >= 0")
        if not all(map(math.isfinite, self.numbers.values())):
            raise ValueError("numbers: must be finite")
        if self.at_most is not None and self.at_least is not None:
            raise ValueError("at_most, at_least: a target is a bound from one side")
        if not math.isclose(self.value, HOW[self.how](self.raw), rel_tol=1e-6):
            raise ValueError(f"value: {self.value} does not follow from raw, {HOW[self.how](self.raw)} does")

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.at_most is None and self.at_least is None:
            return None
        return self.value <= (self.at_most or math.inf) and self.value >= (self.at_least or -math.inf)

    @property
    def medians(self) -> dict[str, float]:
        """The median of each series."""
        return medians(self.raw)


def figure(name: str, how: How, raw: Mapping[str, Sequence[float]], unit: str = "s", **others: Any) -> Figure:
    """A figure of measurements, which are kept to seven digits."""
    kept = {key: tuple(float(f"{value:.7g}") for value in series) for key, series in raw.items()}
    return Figure(name, how, unit, kept, float(f"{HOW[how](kept):.9g}"), **others)


def medians(raw: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each series."""
    return {key: median(series) for key, series in raw.items()}


def _quotient(raw: Mapping[str, Sequence[float]]) -> float:
    if len(raw) != 2:
        raise ValueError(f"raw: a quotient is of two series, not {len(raw)}")
    top, bottom = medians(raw).values()
    return top / bottom


def _median(raw: Mapping[str, Sequence[float]]) -> float:
    (only,) = medians(raw).values()
    return only


def _line(raw: Mapping[str, Sequence[float]]) -> float:
    """R² of least squares."""
    x, y = np.asarray([float(key) for key in raw]), np.asarray(list(medians(raw).values()))
    slope, intercept = np.polyfit(x, y, 1)
    return float(1 - np.square(y - slope * x - intercept).sum() / np.square(y - y.mean()).sum())


HOW: dict[How, Callable[[Mapping[str, Sequence[float]]], float]] = {
    "quotient": _quotient,
    "median": _median,
    "line": _line,
}


@dataclass(frozen=True)
class Entry:
    """One benchmark as it was run: `settings` are its sizes, `seconds` what all of it took.

    Where `reason` is not empty it was not measured, and there are no figures.
    """

    name: str
    what: str
    commit: str
    settings: dict[str, Any]
    seconds: float
    figures: tuple[Figure, ...]
    reason: str = ""

    def __post_init__(self) -> None:
        if bool(self.reason) == bool(self.figures):
            raise ValueError("figures, reason: one of them must be there, the other empty")
        names = [figure.name for figure in self.figures]
        if len(set(names)) < len(names):
            raise ValueError("figures: two have the same name")


@dataclass(frozen=True)
class Environment:
    """Where it was run: `kind` is cpu or cuda, `device` the processor's or the GPU's name."""

    kind: Literal["cpu", "cuda"]
    device: str
    cores: int
    platform: str
    versions: dict[str, str]

    @property
    def file_name(self) -> str:
        """The record's file: device and torch, safe as a name."""
        device = f"cpu-{self.cores}-cores" if self.kind == "cpu" else self.device
        parts = (device, f"torch-{self.versions['torch'].partition('+')[0]}")
        return "_".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-") for part in parts) + ".json"


@dataclass(frozen=True)
class Record:
    """All benchmarks of one environment."""

    schema: int
    environment: Environment
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema: {self.schema} is not supported; this version reads {SCHEMA}")
        names = [entry.name for entry in self.entries]
        if len(set(names)) < len(names):
            raise ValueError("entries: two have the same name")

    def with_entry(self, entry: Entry, order: Sequence[str]) -> Record:
        """The record with an entry put in place of the one of its name, in the given order of names."""
        entries = [entry, *(old for old in self.entries if old.name != entry.name and old.name in order)]
        return replace(self, entries=tuple(sorted(entries, key=lambda one: order.index(one.name))))


def read_record(path: Path) -> Record:
    """The record in a file; InputError naming the file and key where it is not one."""
    return from_table(Record, json.loads(path.read_text(encoding="utf-8")), str(path))


def write_record(record: Record, path: Path) -> None:
    """Write a record in one step."""
    write_text(as_json(record), path)


def as_json(record: Record) -> str:
    """The text of a record; a target that is not there is left out."""
    table = asdict(record, dict_factory=lambda items: {key: value for key, value in items if value is not None})
    return json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
