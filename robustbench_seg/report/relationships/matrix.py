"""Matrices of relationships: attacked objectives by measured tasks, at every radius of an attack."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from robustbench_seg.report.names import ATTACKS, NORMS, strength
from robustbench_seg.report.relationships.objectives import OWN, kind, ordered_objectives, ordered_tasks
from robustbench_seg.results.rows import Row, unique

REFERENCE = 1.0
"""The radius shown first, in grey values: that of UniNet 2021, figure 3."""

_ATTACK_ORDER = ("pgd", "fgsm")
_NORM_ORDER = ("linf", "rms", "none")


class Setting(NamedTuple):
    """One attack in one norm on one model and data set."""

    model: str
    dataset: str
    attack: str
    norm: str

    @property
    def where(self) -> str:
        """Model and data set."""
        return f"{self.model} on {self.dataset}"

    @property
    def how(self) -> str:
        """Attack and norm."""
        # DAG stops by itself; in a norm it is its direction that is evaluated, and the reader must know.
        direction = "direction, " if self.attack == "dag" and self.norm != "none" else ""
        return f"{ATTACKS.get(self.attack, self.attack)} ({direction}{NORMS.get(self.norm, self.norm)})"

    def at(self, epsilon: float | None) -> str:
        """Attack, norm and radius."""
        return self.how if epsilon is None else f"{self.how} {strength(epsilon)}"


@dataclass(frozen=True)
class Matrix:
    """What is left (Q) of each of `tasks` under each of `objectives`, at one radius in grey values.

    A cell that was not run, failed or has no value is missing: `ratio` is None there, never 0.
    """

    setting: Setting
    epsilon: float | None
    objectives: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: Mapping[tuple[str, str], Row]

    def cell(self, objective: str, task: str) -> Row | None:
        """The cell that was run, with or without a value."""
        return self.cells.get((objective, task))

    def known(self, objective: str, task: str) -> Row | None:
        """The cell where it has a ratio."""
        row = self.cell(objective, task)
        return None if row is None or row.ratio is None else row

    def ratio(self, objective: str, task: str) -> float | None:
        """Q of a cell."""
        row = self.cell(objective, task)
        return None if row is None else row.ratio

    @cached_property
    def attacked_tasks(self) -> tuple[str, ...]:
        """The measured tasks that were attacked by their own loss."""
        return tuple(task for task in self.tasks if task in self.objectives and kind(task) == OWN)

    def rows(self, pairs: Iterable[tuple[str, str]]) -> list[Row]:
        """The cells with a ratio among (objective, task) pairs."""
        return [row for pair in pairs if (row := self.known(*pair)) is not None]


@dataclass(frozen=True)
class Family:
    """The matrices of one setting by growing radius, and the one that is shown first."""

    setting: Setting
    matrices: tuple[Matrix, ...]
    chosen: Matrix

    @property
    def others(self) -> tuple[Matrix, ...]:
        """All but the one shown first."""
        return tuple(matrix for matrix in self.matrices if matrix is not self.chosen)


def nearest(epsilons: Iterable[float | None], reference: float = REFERENCE) -> float | None:
    """The radius nearest to the reference on a logarithmic scale, the smaller of two; None for unbounded alone."""
    bounded = [epsilon for epsilon in epsilons if epsilon]
    return min(bounded, key=lambda e: (round(abs(math.log(e / reference)), 9), e)) if bounded else None


def families(effects: Sequence[Row], reference: float = REFERENCE) -> list[Family]:
    """All settings with an objective of a matrix: PGD before FGSM before others, L∞ before RMS, ε = 0 left out."""
    grouped: dict[Setting, list[Row]] = {}
    for row in effects:
        if kind(row.objective) and row.epsilon != 0:
            grouped.setdefault(Setting(row.model, row.dataset, row.attack, row.norm), []).append(row)
    found = [_family(setting, rows, reference) for setting, rows in grouped.items()]
    places = unique([family.setting.where for family in found])
    return sorted(found, key=lambda family: (places.index(family.setting.where), *_order(family.setting)))


def _family(setting: Setting, rows: Sequence[Row], reference: float) -> Family:
    tasks = ordered_tasks([row.task for row in rows])
    objectives = ordered_objectives([row.objective for row in rows], tasks)
    by_radius: dict[float | None, dict[tuple[str, str], Row]] = {}
    for row in rows:
        by_radius.setdefault(row.epsilon, {})[row.objective, row.task] = row
    radii = sorted(by_radius, key=lambda epsilon: (epsilon is None, epsilon))
    matrices = tuple(Matrix(setting, e, tuple(objectives), tuple(tasks), by_radius[e]) for e in radii)
    wanted = nearest(radii, reference)
    return Family(setting, matrices, next(matrix for matrix in matrices if matrix.epsilon == wanted))


def _order(setting: Setting) -> tuple[int, int]:
    return _rank(setting.attack, _ATTACK_ORDER), _rank(setting.norm, _NORM_ORDER)


def _rank(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def leading(found: Sequence[Family]) -> list[Family]:
    """The families of the foremost attack of each model and data set that attacks two tasks by their own losses.

    A place without such an attack leads with its first one.
    """
    leaders: dict[str, str] = {}
    for family in sorted(found, key=lambda family: len(family.chosen.attacked_tasks) < 2):
        leaders.setdefault(family.setting.where, family.setting.attack)
    return [family for family in found if family.setting.attack == leaders[family.setting.where]]
