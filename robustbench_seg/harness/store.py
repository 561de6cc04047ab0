"""The store of a run: one SQLite file of per-image results, written a unit at a time."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from robustbench_seg.errors import InputError
from robustbench_seg.harness.results import FamilyResult, ImageResult, unpack
from robustbench_seg.tasks.base import Statistics

SCHEMA = 2
TIMEOUT_S = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS shards (
    pair INTEGER, family INTEGER, chunk INTEGER, n_images INTEGER, n_failed INTEGER, worker TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (pair, family, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS costs (
    pair INTEGER, family INTEGER, cell INTEGER, chunk INTEGER,
    forwards INTEGER, backwards INTEGER, seconds REAL, peak_memory_mb REAL,
    PRIMARY KEY (pair, family, cell, chunk)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    pair INTEGER, family INTEGER, cell INTEGER, image INTEGER,
    error TEXT, rms REAL, linf REAL, snr_db REAL, unchanged INTEGER, skipped INTEGER, outcome TEXT,
    PRIMARY KEY (pair, family, cell, image)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statistics (
    pair INTEGER, family INTEGER, cell INTEGER, image INTEGER, task TEXT, data BLOB,
    PRIMARY KEY (pair, family, cell, image, task)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS panels (
    pair INTEGER, family INTEGER, cell INTEGER, image INTEGER, kind TEXT, png BLOB,
    PRIMARY KEY (pair, family, cell, image, kind)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class StoredCell:
    """All images of one cell, in image order; `statistics[task]` maps an image to its statistics."""

    results: Sequence[ImageResult]
    statistics: Mapping[str, Mapping[int, Statistics]]


class Store:
    """Opened for one run; usable as a context manager. Every write is one transaction."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._naming():
            self._db = sqlite3.connect(path, timeout=TIMEOUT_S)
            with self._db:
                self._db.executescript(_TABLES)
                self._upgrade()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def read_meta(self, key: str) -> object | None:
        """A JSON value stored under `key`, or None."""
        rows = self._read("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(rows[0][0]) if rows else None

    def read_outline(self) -> Any:
        """The run's outline as stored; InputError where this is not the store of a run."""
        outline = self.read_meta("outline")
        if not isinstance(outline, dict):
            raise InputError(f"store '{self.path}' holds no run; evaluate into this folder first")
        return outline

    def write_meta(self, key: str, value: object) -> None:
        """Store a JSON value."""
        with self._naming(), self._db:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value, sort_keys=True)))

    def done(self) -> set[tuple[int, int, int, int]]:
        """(pair, family, chunk, number of images) of every shard without a failed image."""
        return set(self._read("SELECT pair, family, chunk, n_images FROM shards WHERE n_failed = 0"))

    def failures(self) -> dict[str, int]:
        """How many results failed, by error."""
        return dict(self._read("SELECT error, COUNT(*) FROM results WHERE error != '' GROUP BY error ORDER BY error"))

    def workers(self) -> dict[str, int]:
        """How many shards each worker did, by its name."""
        return dict(
            self._read("SELECT worker, COUNT(*) FROM shards WHERE worker != '' GROUP BY worker ORDER BY worker")
        )

    def write(self, families: Iterable[FamilyResult]) -> None:
        """Store one unit; what an earlier try left of the same shards is replaced."""
        with self._naming(), self._db:
            for family in families:
                self._write_family(family)

    def cell(self, pair: int, family: int, cell: int) -> StoredCell:
        """Everything stored of one cell."""
        key = (pair, family, cell)
        rows = self._read(
            "SELECT image, error, rms, linf, snr_db, unchanged, skipped, outcome FROM results"
            " WHERE pair = ? AND family = ? AND cell = ? ORDER BY image",
            *key,
        )
        results = [
            ImageResult(image, error, rms, linf, snr, bool(unchanged), bool(skipped), json.loads(outcome))
            for image, error, rms, linf, snr, unchanged, skipped, outcome in rows
        ]
        statistics: dict[str, dict[int, Statistics]] = defaultdict(dict)
        for image, task, data in self._read(
            "SELECT image, task, data FROM statistics WHERE pair = ? AND family = ? AND cell = ?", *key
        ):
            statistics[task][image] = unpack(data)
        return StoredCell(results, statistics)

    def costs(self, pair: int, family: int, cell: int) -> tuple[int, int, float, float]:
        """Summed forwards, backwards and seconds, and the highest peak memory in MB."""
        (row,) = self._read(
            "SELECT COALESCE(SUM(forwards), 0), COALESCE(SUM(backwards), 0), COALESCE(SUM(seconds), 0),"
            " COALESCE(MAX(peak_memory_mb), 0) FROM costs WHERE pair = ? AND family = ? AND cell = ?",
            pair,
            family,
            cell,
        )
        return int(row[0]), int(row[1]), float(row[2]), float(row[3])

    def panels(self) -> list[tuple[int, int, int, int, dict[str, bytes]]]:
        """(pair, family, cell, image, PNGs by kind) of every stored panel."""
        grouped: dict[tuple[int, int, int, int], dict[str, bytes]] = defaultdict(dict)
        for *key, kind, png in self._read(
            "SELECT pair, family, cell, image, kind, png FROM panels ORDER BY pair, image, family, cell, kind"
        ):
            grouped[(key[0], key[1], key[2], key[3])][kind] = png
        return [(*key, pngs) for key, pngs in grouped.items()]

    def _upgrade(self) -> None:
        """A store of schema 1 does not name its workers."""
        columns = [row[1] for row in self._db.execute("PRAGMA table_info(shards)")]
        if "worker" not in columns:
            self._db.execute("ALTER TABLE shards ADD COLUMN worker TEXT NOT NULL DEFAULT ''")

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._naming():
            return self._db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Turn what SQLite raises (locked, damaged, disk full) into one line that names the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(
                f"store '{self.path}': {error}; free space, stop what else uses it, or give another folder with -o"
            ) from error

    def _write_family(self, family: FamilyResult) -> None:
        failed = sum(bool(image.error) for cell in family.cells for image in cell.images)
        n_images = len(family.cells[0].images)
        key = (family.pair, family.family)
        shard = (*key, family.chunk, n_images, failed, family.worker)
        self._db.execute("INSERT OR REPLACE INTO shards VALUES (?,?,?,?,?,?)", shard)
        for index, cell in enumerate(family.cells):
            cost = (cell.forwards, cell.backwards, cell.seconds, cell.peak_memory_mb)
            self._db.execute(
                "INSERT OR REPLACE INTO costs VALUES (?,?,?,?,?,?,?,?)", (*key, index, family.chunk, *cost)
            )
            for image in cell.images:
                self._write_image((*key, index, image.image), image)

    def _write_image(self, key: tuple[int, int, int, int], image: ImageResult) -> None:
        for table in ("results", "statistics", "panels"):
            where = "pair = ? AND family = ? AND cell = ? AND image = ?"
            self._db.execute(f"DELETE FROM {table} WHERE {where}", key)
        flags = (int(image.unchanged), int(image.skipped), json.dumps(dict(image.outcome), sort_keys=True))
        values = (*key, image.error, image.rms, image.linf, image.snr_db, *flags)
        self._db.execute("INSERT INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?)", values)
        for task, data in image.statistics.items():
            self._db.execute("INSERT INTO statistics VALUES (?,?,?,?,?,?)", (*key, task, data))
        for kind, png in image.pngs.items():
            self._db.execute("INSERT INTO panels VALUES (?,?,?,?,?,?)", (*key, kind, png))
