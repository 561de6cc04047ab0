"""The store of a run: one SQLite file of per-image results, written in whole shards."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.errors import InputError
from robustbench_seg.results.records import ImageResult, SweepResult, unpack
from robustbench_seg.tasks.base import Statistics

SCHEMA = 5
TIMEOUT_S = 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS shards (
    pair INTEGER, configuration INTEGER, shard INTEGER, n_images INTEGER, n_failed INTEGER, n_rows INTEGER,
    worker TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (pair, configuration, shard)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS costs (
    pair INTEGER, configuration INTEGER, cell INTEGER, shard INTEGER,
    forwards INTEGER, backwards INTEGER, seconds REAL, peak_memory_mb REAL,
    PRIMARY KEY (pair, configuration, cell, shard)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS results (
    pair INTEGER, configuration INTEGER, cell INTEGER, image INTEGER,
    error TEXT, rms REAL, linf REAL, snr_db REAL, unchanged INTEGER, skipped INTEGER, reached INTEGER,
    outcome TEXT,
    shard INTEGER, checksum INTEGER NOT NULL,
    PRIMARY KEY (pair, configuration, cell, image)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statistics (
    pair INTEGER, configuration INTEGER, cell INTEGER, image INTEGER, task TEXT, shard INTEGER, data BLOB,
    PRIMARY KEY (pair, configuration, cell, image, task));
CREATE TABLE IF NOT EXISTS panels (
    pair INTEGER, configuration INTEGER, cell INTEGER, image INTEGER, kind TEXT, shard INTEGER, png BLOB,
    PRIMARY KEY (pair, configuration, cell, image, kind));
"""
"""Those of bytes have row ids: without them a row of more than a kilobyte takes pages of its own, and new rows go
everywhere instead of to the end."""
_RESULT = "pair, configuration, cell, image, error, rms, linf, snr_db, unchanged, skipped, reached, outcome, checksum"
_PLACE = "WHERE pair = ? AND configuration = ? AND cell = ?"
_OF_A_SHARD = ("costs", "results", "statistics", "panels")
"""The tables with rows of a shard; `n_rows` counts those of all of them."""
_DONE = f"""
SELECT pair, configuration, shard, n_images FROM shards
JOIN (SELECT pair, configuration, shard, COUNT(*) AS n_stored
      FROM ({" UNION ALL ".join(f"SELECT pair, configuration, shard FROM {table}" for table in _OF_A_SHARD)})
      GROUP BY pair, configuration, shard)
USING (pair, configuration, shard) WHERE n_failed = 0 AND n_stored = n_rows
"""
_NAMES = set(re.findall(r"EXISTS (\w+)", _TABLES))
_FIXES = {
    sqlite3.SQLITE_FULL: "free space and give the command again to resume",
    sqlite3.SQLITE_BUSY: "stop what else uses it and give the command again",
    sqlite3.SQLITE_READONLY: "make it writable or give another folder with -o",
    sqlite3.SQLITE_CANTOPEN: "check that it is there and may be opened",
    sqlite3.SQLITE_IOERR: "check the disk and give the command again to resume",
}
"""What to do about an error of SQLite; where it is none of these the file itself is bad."""
_RENEW = "delete it to start afresh or give another folder with -o"

_encoded = json.JSONEncoder(sort_keys=True).encode

_Row = tuple[Any, ...]


@dataclass(frozen=True)
class StoredCell:
    """All images of one cell, in image order; `statistics[task]` maps an image to its statistics."""

    results: Sequence[ImageResult]
    statistics: Mapping[str, Mapping[int, Statistics]]


class Store(contextlib.AbstractContextManager["Store"]):
    """The open store of one run; a context manager. Every write is one transaction.

    It is made where it is missing; with `create` False it must be there, and its pages are checked as well. Raises
    InputError where it cannot be opened, is damaged, or was written by another version. What is read later is
    checked against its checksums.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        self.path = path
        mode = "rwc" if create else "rw"
        with self._naming():
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", timeout=TIMEOUT_S, uri=True)
            try:
                self._open(create)
            except BaseException:
                self._db.close()
                raise

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def read_meta(self, key: str) -> object | None:
        """Return the JSON value stored under `key`, or None."""
        rows = self._read("SELECT value, checksum FROM meta WHERE key = ?", key)
        for value, checksum in rows:
            self._check(checksum == _checksum(key, value))
        return json.loads(rows[0][0]) if rows else None

    def read_manifest(self) -> Any:
        """Return the run's manifest as stored; InputError where this is not the store of a run."""
        manifest = self.read_meta("manifest")
        if not isinstance(manifest, dict):
            raise InputError(f"store '{self.path}' holds no run; evaluate into this folder first")
        return manifest

    def write_meta(self, key: str, value: object) -> None:
        """Store a JSON value."""
        text = _encoded(value)
        with self._naming(), self._db:
            self._insert("meta", [(key, text, _checksum(key, text))])

    def done(self) -> set[tuple[int, int, int, int]]:
        """Return (pair, configuration, shard, number of images) of every shard without a failed image or a lost row."""
        return set(self._read(_DONE))

    def failures(self) -> dict[str, int]:
        """Count the results that failed, by error."""
        return dict(self._read("SELECT error, COUNT(*) FROM results WHERE error != '' GROUP BY error ORDER BY error"))

    def workers(self) -> dict[str, int]:
        """Count the shards that each worker did, by its name."""
        return dict(
            self._read("SELECT worker, COUNT(*) FROM shards WHERE worker != '' GROUP BY worker ORDER BY worker")
        )

    def write(self, sweeps: Iterable[SweepResult]) -> None:
        """Store whole shards in one transaction; what an earlier try left of the same ones is replaced."""
        images, rows = _rows(sweeps)
        with self._naming(), self._db:
            for table in ("statistics", "panels"):
                self._db.executemany(f"DELETE FROM {table} {_PLACE} AND image = ?", images)
            for table, of_table in rows.items():
                self._insert(table, of_table)

    def cell(self, *place: int) -> StoredCell:
        """Read everything stored of a cell (pair, configuration, cell)."""
        packed: dict[int, dict[str, bytes]] = defaultdict(dict)
        for image, task, data in self._read(f"SELECT image, task, data FROM statistics {_PLACE}", *place):
            packed[image][task] = data
        results = []
        statistics: dict[str, dict[int, Statistics]] = defaultdict(dict)
        for *values, checksum in self._read(f"SELECT {_RESULT} FROM results {_PLACE} ORDER BY image", *place):
            image, error, rms, linf, snr, unchanged, skipped, reached, outcome = values[3:]
            if checksum != _checksum(*values, *_parts(packed[image])):
                self._refuse_lost_rows()
                self._check(False)
            flags = (bool(unchanged), bool(skipped), None if reached is None else bool(reached))
            results.append(ImageResult(image, error, rms, linf, snr, *flags, json.loads(outcome)))
            for task, data in packed[image].items():
                statistics[task][image] = unpack(data)
        return StoredCell(results, statistics)

    def cost(self, *place: int) -> Cost:
        """Return what a cell (pair, configuration, cell) cost over all shards."""
        query = "SELECT forwards, backwards, seconds, peak_memory_mb FROM costs"
        return sum((Cost(*row) for row in self._read(f"{query} {_PLACE} ORDER BY shard", *place)), Cost())

    def panels(self) -> list[tuple[int, int, int, int, dict[str, bytes]]]:
        """Return (pair, configuration, cell, image, PNGs by kind) of every stored panel."""
        grouped: dict[tuple[int, int, int, int], dict[str, bytes]] = defaultdict(dict)
        columns = "pair, configuration, cell, image, kind"
        query = f"SELECT {columns}, png FROM panels ORDER BY pair, image, configuration, cell, kind"
        for p, f, c, image, kind, png in self._read(query):
            grouped[p, f, c, image][kind] = png
        return [(*key, pngs) for key, pngs in grouped.items()]

    def _read(self, query: str, *values: object) -> list[Any]:
        with self._naming():
            return self._db.execute(query, values).fetchall()

    def _open(self, create: bool) -> None:
        """Make the tables of a new store; refuse a file that is another version's or lacks some."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        known = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if create and version == 0 and not known:
            # One transaction, so that a store is either whole or still empty.
            self._db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT")
        elif version != SCHEMA:
            raise InputError(f"store '{self.path}' is of schema {version}, this version reads {SCHEMA}; {_RENEW}")
        else:
            self._check(known >= _NAMES)
        if not create:
            self._check(self._db.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)])

    def _check(self, sound: bool) -> None:
        if not sound:
            raise InputError(f"store '{self.path}' is damaged; {_RENEW}")

    def _refuse_lost_rows(self) -> None:
        """InputError where a shard without failures lacks rows, which a resumed run computes again."""
        ((written,),) = self._read("SELECT COUNT(*) FROM shards WHERE n_failed = 0")
        if len(self.done()) < written:
            raise InputError(
                f"store '{self.path}' has lost rows; give the evaluate command again to compute them again"
            )

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Turn what SQLite raises (locked, damaged, disk full) into one line that names the file and the fix."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            raise InputError(f"store '{self.path}': {error}; {_FIXES.get(code, _RENEW)}") from error

    def _insert(self, table: str, rows: Sequence[_Row]) -> None:
        if rows:
            places = ", ".join("?" * len(rows[0]))
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows)


def _rows(sweeps: Iterable[SweepResult]) -> tuple[list[_Row], dict[str, list[_Row]]]:
    """The keys of all images, and the rows of every table that has some."""
    images: list[_Row] = []
    rows: dict[str, list[_Row]] = defaultdict(list)
    for sweep in sweeps:
        key = (sweep.pair, sweep.configuration)
        before = sum(map(len, rows.values()))
        for index, cell in enumerate(sweep.cells):
            cost = cell.cost
            spent = (cost.forwards, cost.backwards, cost.seconds, cost.peak_memory_mb)
            rows["costs"].append((*key, index, sweep.shard, *spent))
            for image in cell.images:
                images.append((*key, index, image.image))
                _add_image(rows, images[-1], sweep.shard, image)
        n_rows = sum(map(len, rows.values())) - before
        failed = sum(bool(image.error) for cell in sweep.cells for image in cell.images)
        rows["shards"].append((*key, sweep.shard, len(sweep.cells[0].images), failed, n_rows, sweep.worker))
    return images, rows


def _add_image(rows: dict[str, list[_Row]], key: _Row, shard: int, image: ImageResult) -> None:
    flags = (int(image.unchanged), int(image.skipped), None if image.reached is None else int(image.reached))
    snr = None if image.snr_db is None else float(image.snr_db)
    outcome = _encoded(dict(image.outcome))
    values = (*key, image.error, float(image.rms), float(image.linf), snr, *flags, outcome)
    rows["results"].append((*values, shard, _checksum(*values, *_parts(image.statistics))))
    rows["statistics"] += ((*key, task, shard, data) for task, data in image.statistics.items())
    rows["panels"] += ((*key, kind, shard, png) for kind, png in image.pngs.items())


def _checksum(*values: object) -> int:
    """CRC-32 of values as they are stored: SQLite itself does not see a byte that flips inside a number."""
    return zlib.crc32(repr(values).encode())


def _parts(statistics: Mapping[str, bytes]) -> list[tuple[str, int]]:
    return [(task, zlib.crc32(data)) for task, data in sorted(statistics.items())]
