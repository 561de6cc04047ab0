"""reports/benchmarks/README.md, made from the records beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.record import Entry, Environment, Figure, Record, read_record

_HEAD = """# Benchmarks

Measured side by side in one run: the sides alternate, and a value is worked out from their medians, of as many as the
brackets say. The JSON files hold every measurement, sizes and versions; a test checks that each value follows from its
measurements. A machine's seconds are its own; ratios are what carries over.

    python -m tests.bench                            # all of them, in the root of the repository
    python -m tests.bench overhead grid              # some; the others' entries stay
    python -m tests.bench grid --set grid.images=8   # at another size
    python -m tests.bench gpu                        # all of a GPU, each within its budget of seconds
"""
_COLUMNS = ("benchmark", "figure", "value", "target", "met", "medians", "beside")
_MET = {True: "yes", False: "**no**", None: ""}


def table(folder: Path) -> str:
    """The page of all records in a folder."""
    records = [read_record(path) for path in sorted(folder.glob("*.json"))]
    return "\n".join([_HEAD, *(line for record in records for line in _record(record))])


def _record(record: Record) -> Iterator[str]:
    yield f"## {_title(record.environment)}\n"
    versions = record.environment.versions
    yield f"{record.environment.platform}, Python {versions['python']}, torch {versions['torch']}.\n"
    measured = [entry for entry in record.entries if entry.figures]
    yield "".join(f"- **{entry.name}**: {entry.what}\n" for entry in measured)
    yield _row(_COLUMNS)
    yield _row("---" for _ in _COLUMNS)
    yield from (_row(_cells(entry, one)) for entry in measured for one in entry.figures)
    yield "".join(f"\nNot measured: **{entry.name}**, {entry.reason}.\n" for entry in record.entries if entry.reason)


def _title(environment: Environment) -> str:
    return f"{environment.device}, {environment.cores} cores" if environment.kind == "cpu" else environment.device


def _cells(entry: Entry, one: Figure) -> Iterator[str]:
    yield entry.name
    yield one.name
    yield _VALUES[one.how].format(value=one.value, unit=one.unit)
    yield _target(one)
    yield _MET[one.holds]
    yield "; ".join(f"{name}: {value:.4g} {one.unit} ({len(one.raw[name])})" for name, value in one.medians.items())
    beside = {name: f"{value:.4g}" for name, value in one.numbers.items()} | one.notes
    yield "; ".join(f"{name}: {text}" for name, text in beside.items())


_VALUES = {"quotient": "{value:.3f}", "median": "{value:.3g} {unit}", "line": "R² {value:.4f}"}


def _target(one: Figure) -> str:
    if one.at_most is not None:
        return f"≤ {one.at_most:g}"
    return "" if one.at_least is None else f"≥ {one.at_least:g}"


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
