"""What a check is: an object with a name that looks at a run's numbers and says what it found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from robustbench_seg.results.findings import LEVELS, Doubt, Finding, Level
from robustbench_seg.results.keys import CLEAN, FLOAT, AttackConfiguration
from robustbench_seg.results.names import as_scored, epsilon_text, full_name, strength
from robustbench_seg.results.pair import PairResults
from robustbench_seg.results.rows import Row

Record = Mapping[str, Any]
"""What a model check saw, as plain values."""

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Evidence:
    """One model on one data set: what is stored of it, the rows of its tables, and the records of the model checks."""

    pair: PairResults
    rows: Sequence[Row]
    class_rows: Sequence[Row] = ()
    records: Mapping[str, Record] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return f"{self.pair.pair.model} on {self.pair.pair.dataset}"

    @cached_property
    def clean(self) -> Sequence[Row]:
        """The rows of the clean images."""
        return [row for row in self.rows if row.attack == CLEAN]

    @cached_property
    def every_cell(self) -> Sequence[Row]:
        """One row of every cell."""
        return list({row.key: row for row in self.rows}.values())

    @cached_property
    def cells(self) -> Sequence[Row]:
        """One row of every perturbed cell, not of those rounded to 8 bits: they promise no power and no order."""
        return [row for row in self.every_cell if row.attack != CLEAN and row.scored == FLOAT]

    def doubts(self, is_doubted: Callable[[Row], bool] = lambda row: True) -> frozenset[Doubt]:
        """The numbers of the rows for which `is_doubted` is true."""
        return frozenset(Doubt(row.key, row.task) for row in self.rows if is_doubted(row))

    def doubts_on(self, *cells: Row) -> frozenset[Doubt]:
        """All numbers of the cells that rows are of, rounded to 8 bits too."""
        places = {_place(row) for row in cells}
        return self.doubts(lambda row: _place(row) in places)

    def doubts_under(self, is_meant: Callable[[AttackConfiguration], bool]) -> frozenset[Doubt]:
        """All numbers of the cells of some attack configurations."""
        meant = {(c.label, c.objective, c.norm) for c in self.pair.pair.configurations if is_meant(c)}
        return self.doubts(lambda row: (row.attack, row.objective, row.norm) in meant)

    def doubts_in(self, task: str) -> frozenset[Doubt]:
        """All numbers of a task."""
        return self.doubts(lambda row: row.task == task)


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: its words, the numbers it makes doubtful, and how bad it is."""

    text: str
    doubts: frozenset[Doubt] = frozenset()
    level: Level = "fail"


@dataclass(frozen=True)
class Looked:
    """What a check looked at, as in "12 comparisons" (empty: there was nothing), and what is wrong with it.

    `detail` says more where nothing is.
    """

    at: str
    problems: Sequence[Problem] = ()
    detail: str = ""


class Check(ABC):
    """One check. `name` is the verdict of the numbers it doubts, `wrong` and `sound` are titles of what it finds.

    `advice` says what to try where something is wrong.
    """

    name: ClassVar[str]
    wrong: ClassVar[str]
    sound: ClassVar[str]
    advice: ClassVar[str] = ""

    @abstractmethod
    def look(self, run: Sequence[Evidence]) -> Looked:
        """Look at every model on every data set of a run."""

    def finding(self, run: Sequence[Evidence]) -> Finding:
        """What was found."""
        looked = self.look(run)
        problems = looked.problems
        if not looked.at:
            title = f"Not checked: {self.sound[:1].lower()}{self.sound[1:]}"
            return Finding(self.name, "note", title, looked.detail or "Nothing, or too little, to look at.")
        if not problems:
            return Finding(self.name, "ok", self.sound, f"{looked.at}{looked.detail}.")
        level = min((problem.level for problem in problems), key=list(LEVELS).index)
        text = f"{len(problems)} of {looked.at}: {listed(problem.text for problem in problems)}."
        return Finding(
            self.name, level, self.wrong, text, self.advice, frozenset().union(*(p.doubts for p in problems))
        )


def _place(row: Row) -> tuple[str, str, str, float | None]:
    return row.attack, row.objective, row.norm, row.epsilon


def listed(texts: Iterable[str]) -> str:
    """The first few texts, and how many more there are."""
    every = list(texts)
    more = f"; and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return "; ".join(every[:_SHOWN]) + more


def counted(number: int, what: str) -> str:
    """A number of things: `1 cell`, `2 cells`; empty for none."""
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""


def cell_name(row: Row) -> str:
    """The cell of a row in a sentence."""
    name = as_scored(full_name(row.attack, row.objective, row.norm), row.scored)
    return f"{row.model} on {row.dataset}, {name} {strength(row.epsilon)}"


def series_name(rows: Sequence[Row]) -> str:
    """Cells that differ in their epsilons alone: `pgd on semantic at ε = 1, 2`."""
    first = rows[0]
    epsilons = ", ".join(epsilon_text(row.epsilon) for row in rows)
    at = f" at ε = {epsilons}" if first.epsilon is not None else ""
    return f"{first.model} on {first.dataset}, {full_name(first.attack, first.objective, first.norm)}{at}"


def each_row(run: Sequence[Evidence], rows: Callable[[Evidence], Sequence[Row]]) -> Iterator[tuple[Evidence, Row]]:
    """Some rows of every model on every data set."""
    return ((evidence, row) for evidence in run for row in rows(evidence))
