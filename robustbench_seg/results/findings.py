"""What was found where the numbers of a run were checked: findings, and the numbers that they make doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.rows import SEPARATOR, SOUND, Row

Level = Literal["fail", "warn", "ok", "note"]
LEVELS: Mapping[Level, tuple[str, str]] = {
    "fail": ("✗", "failed"),
    "warn": ("!", "to look at"),
    "ok": ("✓", "passed"),
    "note": ("i", "note"),
}
"""Icon and word, from worst to best; a note says what holds for every run, or what could not be checked."""


_WORDS = ("check", "level", "title", "text", "advice")


class Doubt(NamedTuple):
    """A number that should not be believed: a task in a cell."""

    cell: CellKey
    task: str


@dataclass(frozen=True)
class Finding:
    """What one check found: how bad it is, what was checked, and the result with its numbers.

    `advice` says what to try, `doubts` which numbers should not be believed; both are empty where nothing is wrong.
    """

    check: str
    level: Level
    title: str
    text: str
    advice: str = ""
    doubts: frozenset[Doubt] = frozenset()

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong, or to look at."""
        return self.level in ("fail", "warn")

    @property
    def icon(self) -> str:
        """The sign of its level."""
        return LEVELS[self.level][0]

    @property
    def word(self) -> str:
        """The level as a word."""
        return LEVELS[self.level][1]

    def to_json(self) -> dict[str, str]:
        """Return it as plain values, without what it doubts: the tables say that row by row."""
        return {name: getattr(self, name) for name in _WORDS}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        """Make it from what `to_json` returned."""
        return cls(**{name: value[name] for name in _WORDS})


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by level."""
    return sorted(findings, key=lambda finding: list(LEVELS).index(finding.level))


def red(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that make numbers doubtful, or gaps in them."""
    return [finding for finding in findings if finding.level == "fail"]


def with_verdicts(rows: Sequence[Row], findings: Sequence[Finding]) -> list[Row]:
    """The rows with their verdict: `ok`, or the names of the checks that doubt them."""
    names: dict[Doubt, list[str]] = {}
    for finding in findings:
        for doubt in finding.doubts:
            names.setdefault(doubt, []).append(finding.check)
    verdicts = {doubt: SEPARATOR.join(dict.fromkeys(checks)) for doubt, checks in names.items()}
    return [replace(row, verdict=verdicts.get(Doubt(row.key, row.task), SOUND)) for row in rows]


def doubts_of(rows: Iterable[Row]) -> list[str]:
    """The names of the checks that doubt any of the rows."""
    return list(dict.fromkeys(name for row in rows for name in row.doubts))
