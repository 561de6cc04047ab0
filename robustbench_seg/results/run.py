"""A run on disk: its tables, provenance and panels, without any model."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from robustbench_seg.errors import InputError
from robustbench_seg.results.files import write_table, write_text
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.manifest import RunManifest
from robustbench_seg.results.rows import (
    CLASSES,
    CORRUPTIONS,
    COSTS,
    KEYS,
    SCORES,
    SUMMARY,
    TEXT,
    CorruptionRow,
    CostRow,
    Row,
    ScoreRow,
    read_corruptions,
    read_costs,
    read_rows,
    read_scores,
    table,
)
from robustbench_seg.results.store import Store
from robustbench_seg.results.tables import Tables

STORE = "store.sqlite"
FINDINGS = "findings.json"

_AGAIN = "give the command that made it again, or `robustseg report` where the store is there"


@dataclass(frozen=True)
class Panel:
    """Pictures of one image in one cell; `attack` is empty for the clean one. See `Run.panels`."""

    model: str
    dataset: str
    image: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    pngs: dict[str, bytes]


@dataclass(frozen=True)
class Run:
    """A run folder; `pictures` False leaves its panels out, for data that may not be passed on.

    `tables` and `known` (run.json) are those just made; without them the files are read. Raises InputError naming the
    file where the folder is not a run or a table is damaged.
    """

    folder: Path
    pictures: bool = True
    tables: Tables | None = field(default=None, repr=False, compare=False)
    known: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def rows(self) -> Sequence[Row]:
        """One row per cell, task and metric, as in summary.csv."""
        return self.tables.summary if self.tables else read_rows(self._table("summary.csv"))

    @cached_property
    def class_rows(self) -> Sequence[Row]:
        """The same with one row per class, as in classes.csv; none in a folder without that file."""
        if self.tables:
            return self.tables.classes
        return read_rows(self._table("classes.csv")) if self._has("classes.csv") else []

    @cached_property
    def cost_rows(self) -> Sequence[CostRow]:
        """One row per cell, as in costs.csv; none in a folder without that file."""
        if self.tables:
            return self.tables.costs
        return read_costs(self._table("costs.csv")) if self._has("costs.csv") else []

    @cached_property
    def score_rows(self) -> Sequence[ScoreRow]:
        """One row per task that has a robustness score, as in scores.csv; none in a folder without that file."""
        if self.tables:
            return self.tables.scores
        return read_scores(self._table("scores.csv", SCORES)) if self._has("scores.csv") else []

    @cached_property
    def corruption_rows(self) -> Sequence[CorruptionRow]:
        """One row per task and corruption, as in corruptions.csv; none in a folder without that file."""
        if self.tables:
            return self.tables.corruptions
        known = self._has("corruptions.csv")
        return read_corruptions(self._table("corruptions.csv", CORRUPTIONS)) if known else []

    @cached_property
    def findings(self) -> Sequence[Finding]:
        """What the checks found, without the numbers that each doubts: rows have verdicts; none in an older run."""
        if self.tables:
            return self.tables.findings
        path = self.folder / FINDINGS
        if not path.is_file():
            return []
        try:
            return [Finding.from_json(value) for value in json.loads(path.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"'{path}' is damaged ({error}); {_AGAIN}") from error

    @cached_property
    def summary(self) -> pd.DataFrame:
        """summary.csv as a pandas table: one row per cell, task and metric."""
        return table(self.rows, SUMMARY)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """classes.csv as a pandas table: the same with one row per class."""
        return table(self.class_rows, CLASSES)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """costs.csv as a pandas table: forwards, backwards, seconds and peak memory of each cell."""
        return table(self.cost_rows, COSTS)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """scores.csv as a pandas table: the robustness score of each task, and the epsilon at which Q is 0.5."""
        return table(self.score_rows, SCORES)

    @cached_property
    def corruptions(self) -> pd.DataFrame:
        """corruptions.csv as a pandas table: mean Q and corruption error over severities, by task and corruption."""
        return table(self.corruption_rows, CORRUPTIONS)

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """run.json."""
        if self.known is not None:
            return self.known
        path = self.folder / "run.json"
        try:
            info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            reason = f"{path.name} cannot be read ({error.strerror})"
            raise InputError(f"'{self.folder}' is not a run, or not a finished one: {reason}") from error
        except ValueError as error:
            raise InputError(f"'{path}' is damaged ({error}); {_AGAIN}") from error
        if not isinstance(info, dict):
            raise InputError(f"'{path}' is damaged (no object); {_AGAIN}")
        return info

    def panels(self) -> list[Panel]:
        """Pictures kept for the page; none in a folder without a store.

        Kinds: `image`, `label:TASK` on the clean panel; `perturbed`, `perturbation` (amplified) on the others;
        `prediction:TASK` on both.
        """
        if not self.pictures or not self._has(STORE):
            return []
        with Store(self.folder / STORE, create=False) as store:
            manifest = RunManifest.from_json(store.read_manifest())
            return [_panel(manifest, *stored) for stored in store.panels()]

    def _has(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def _table(self, name: str, columns: Sequence[str] = KEYS) -> pd.DataFrame:
        path = self.folder / name
        try:
            text = path.read_text(encoding="utf-8")
            frame = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(TEXT, str), converters={"epsilon": _epsilon})
        except FileNotFoundError as error:
            raise InputError(f"'{self.folder}' has no {name}; is it a run folder? evaluate writes one") from error
        except (ValueError, OSError) as error:
            raise InputError(f"'{path}' is damaged ({error}); {_AGAIN}") from error
        if reason := next(_damages(frame, text, columns), ""):
            raise InputError(f"'{path}' is damaged ({reason}); {_AGAIN}")
        return frame.fillna(dict.fromkeys(TEXT, ""))


def write_tables(tables: Tables, folder: Path) -> None:
    """Write summary.csv, classes.csv, costs.csv, findings.json; scores.csv and corruptions.csv where they have rows."""
    write_table(table(tables.summary, SUMMARY), folder / "summary.csv")
    write_table(table(tables.classes, CLASSES), folder / "classes.csv")
    write_table(table(tables.costs, COSTS), folder / "costs.csv")
    for name, some in (
        ("scores.csv", table(tables.scores, SCORES)),
        ("corruptions.csv", table(tables.corruptions, CORRUPTIONS)),
    ):
        if len(some):
            write_table(some, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    write_text(json.dumps([finding.to_json() for finding in tables.findings], indent=2) + "\n", folder / FINDINGS)


def refuse_study(folder: Path) -> None:
    """InputError where a folder is that of a study, which has a page but no store."""
    if (folder / "study.html").is_file() and not (folder / STORE).is_file():
        raise InputError(
            f"'{folder}' is the folder of a study, which has no store; run the study again, or give the folder of a run"
        )


def _damages(frame: pd.DataFrame, text: str, columns: Sequence[str]) -> Iterator[str]:
    """What is wrong with a table that was read from this text and must have these columns."""
    yield from (f"no column {column}" for column in columns if column not in frame)
    for column in frame if len(frame) else ():
        if column not in TEXT and not pd.api.types.is_numeric_dtype(frame[column]):
            yield f"column {column} holds no numbers"
    if not text.endswith("\n"):
        yield "its last line is cut off"


def _epsilon(field: str) -> float:
    """An epsilon to the last bit: cells are known by it, and not every pandas reads a number exactly."""
    return float(field or "nan")


def _panel(manifest: RunManifest, p: int, f: int, c: int, image: int, pngs: dict[str, bytes]) -> Panel:
    pair = manifest.pairs[p]
    configuration = pair.configurations[f]
    return Panel(
        pair.model,
        pair.dataset,
        manifest.ids[pair.dataset][image],
        configuration.label if f else "",
        configuration.objective,
        configuration.norm,
        configuration.cells[c][0],
        pngs,
    )
