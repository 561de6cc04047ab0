"""What a sanity check looks at, what it hands back, and how cells and values are called in its sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from robustbench_seg.report.names import full_name, metric_name, metric_text, perturbation_name, strength
from robustbench_seg.report.views import View
from robustbench_seg.results.rows import Row

Level = Literal["fail", "warn", "ok", "note"]
LEVELS: tuple[Level, ...] = ("fail", "warn", "ok", "note")
"""From worst to best; a note says what holds for every run, or what could not be checked."""

ICONS = {"fail": "✗", "warn": "!", "ok": "✓", "note": "i"}
WORDS = {"fail": "failed", "warn": "to look at", "ok": "passed", "note": "note"}

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One line of the verdict: how bad, what was looked at, and what was found, with numbers."""

    level: Level
    title: str
    text: str

    @property
    def icon(self) -> str:
        """The sign before it."""
        return ICONS[self.level]

    @property
    def word(self) -> str:
        """The level as a word."""
        return WORDS[self.level]


@dataclass(frozen=True)
class Evidence:
    """What the checks look at: rows of the curve metrics, one row per perturbed cell, how many classes there are."""

    views: Sequence[View]
    cells: Sequence[Row]
    clean: Sequence[Row]
    classes: Mapping[tuple[str, str], int]


def place_text(row: Row) -> str:
    """Model and data set."""
    return f"{row.model} on {row.dataset}"


def cell_text(row: Row) -> str:
    """Perturbation, what it attacks, and its epsilon in a sentence."""
    return f"{full_name(row.attack, row.objective)} {strength(row.epsilon)}"


def ratio_text(row: Row) -> str:
    """Perturbation, Q and its interval."""
    return f"{perturbation_name(row.attack, row.objective)} Q {row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}]"


def value_text(row: Row) -> str:
    """Model, data set and a value with its unit; the row must have one."""
    assert row.value is not None
    return f"{place_text(row)}: {metric_name(row.task, row.metric)} {metric_text(row.task, row.metric, row.value)}"


def listed(texts: Sequence[str]) -> str:
    """The first few texts, and how many more there are."""
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
