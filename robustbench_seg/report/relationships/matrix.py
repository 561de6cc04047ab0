"""Matrices of results: what was attacked by what was measured, for every setting and ε."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.objectives.base import Role
from robustbench_seg.attacks.registry import attack_strength
from robustbench_seg.report.relationships.objectives import described, ordered_objectives, ordered_tasks
from robustbench_seg.results.keys import attack_name
from robustbench_seg.results.names import attack_title, norm_name, strength
from robustbench_seg.results.rows import Row, unique

REFERENCE = 1.0
"""The ε shown first: that of UniNet 2021, figure 3."""

Place = tuple[str, str]
"""What was attacked and what was measured."""


class Setting(NamedTuple):
    """One attack in one norm on one model and data set."""

    model: str
    dataset: str
    attack: str
    norm: str

    @classmethod
    def of(cls, row: Row) -> Setting:
        """The setting of a row."""
        return cls(row.model, row.dataset, row.attack, row.norm)

    @property
    def where(self) -> str:
        """Model and data set."""
        return f"{self.model} on {self.dataset}"

    @property
    def how(self) -> str:
        """Attack and norm."""
        return f"{attack_title(self.attack, self.norm)} ({norm_name(self.norm)})"

    def at(self, epsilon: float | None) -> str:
        """Attack, norm and ε."""
        return self.how if epsilon is None else f"{self.how} {strength(epsilon)}"


@dataclass(frozen=True)
class Matrix:
    """The rows of one setting at one ε, by what was attacked (an objective, or a task alone) and what was measured.

    `subject` is the hidden class or the swap that they are about, empty where they are of whole objectives. A cell that
    was not run, failed or has no value is missing: `ratio` is None there, never 0.
    """

    setting: Setting
    epsilon: float | None
    cells: Mapping[Place, Row]
    subject: str = ""

    @property
    def how(self) -> str:
        """Attack, norm and ε."""
        return self.setting.at(self.epsilon)

    @property
    def title(self) -> str:
        """Model, data set, attack, norm and ε."""
        return f"{self.setting.where}, {self.how}"

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """What was attacked, in the usual order."""
        return tuple(ordered_objectives([objective for objective, _ in self.cells], self.tasks))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks measured, in the usual order."""
        return tuple(ordered_tasks([task for _, task in self.cells]))

    @cached_property
    def attacked_tasks(self) -> tuple[str, ...]:
        """The measured tasks that were attacked by their own loss."""
        return tuple(task for task in self.tasks if task in self.objectives)

    def known(self, objective: str, task: str) -> Row | None:
        """The cell where it has a ratio."""
        row = self.cells.get((objective, task))
        return None if row is None or row.ratio is None else row

    def ratio(self, objective: str, task: str) -> float | None:
        """Q of a cell."""
        row = self.known(objective, task)
        return None if row is None else row.ratio

    def rows(self, places: Iterable[Place]) -> list[Row]:
        """The cells with a ratio among these places."""
        return [row for place in places if (row := self.known(*place)) is not None]


@dataclass(frozen=True)
class Sweep:
    """The matrices of one setting and subject by growing ε, and the one that is shown first."""

    matrices: tuple[Matrix, ...]
    chosen: Matrix

    @property
    def setting(self) -> Setting:
        """The setting of all its matrices."""
        return self.chosen.setting

    @property
    def others(self) -> tuple[Matrix, ...]:
        """All but the one shown first."""
        return tuple(matrix for matrix in self.matrices if matrix is not self.chosen)


def sweeps(placed: Iterable[tuple[str, Place, Row]], reference: float = REFERENCE) -> list[Sweep]:
    """All settings and subjects of (subject, place, row), in order of appearance."""
    grouped: dict[tuple[Setting, str], dict[float | None, dict[Place, Row]]] = {}
    for subject, place, row in placed:
        by_epsilon = grouped.setdefault((Setting.of(row), subject), {})
        by_epsilon.setdefault(row.epsilon, {}).setdefault(place, row)
    made = []
    for (setting, subject), by_epsilon in grouped.items():
        matrices = {
            epsilon: Matrix(setting, epsilon, by_epsilon[epsilon], subject)
            for epsilon in sorted(by_epsilon, key=lambda epsilon: (epsilon is None, epsilon))
        }
        made.append(Sweep(tuple(matrices.values()), matrices[nearest(matrices, reference)]))
    return made


def objective_sweeps(effects: Sequence[Row], reference: float = REFERENCE) -> list[Sweep]:
    """The sweeps over objectives that are rows of a matrix, without ε = 0.

    Of each model and data set the attack on most tasks comes first, of several the strongest.
    """
    made = sweeps(
        (
            ("", (row.objective, row.task), row)
            for row in effects
            if row.epsilon != 0 and described(row.objective).role is not Role.TARGETED
        ),
        reference,
    )
    places = unique([sweep.setting.where for sweep in made])
    return sorted(made, key=lambda sweep: (places.index(sweep.setting.where), *_order(sweep)))


def nearest(epsilons: Iterable[float | None], reference: float = REFERENCE) -> float | None:
    """The ε nearest to the reference on a logarithmic scale, the smaller of two; None for unbounded alone."""
    bounded = [epsilon for epsilon in epsilons if epsilon]
    return min(bounded, key=lambda e: (round(abs(math.log(e / reference)), 9), e)) if bounded else None


def leading(ordered: Sequence[Sweep]) -> list[Sweep]:
    """The sweeps of the first attack on each model and data set."""
    leaders: dict[str, str] = {}
    return [s for s in ordered if leaders.setdefault(s.setting.where, s.setting.attack) == s.setting.attack]


def foremost(ordered: Sequence[Sweep]) -> list[Matrix]:
    """The matrix shown first of each model and data set: that of the leading attack in its first norm."""
    firsts: dict[str, Matrix] = {}
    for sweep in ordered:
        firsts.setdefault(sweep.setting.where, sweep.chosen)
    return list(firsts.values())


def _order(sweep: Sweep) -> tuple[int, int, int]:
    """Tasks attacked, then the strength that the attack declares, both descending, then the norm."""
    strength = attack_strength(attack_name(sweep.setting.attack))
    norms = [*BUDGETS, sweep.setting.norm]
    return (
        -len(sweep.chosen.attacked_tasks),
        0 if strength is None else -1 - strength,
        norms.index(sweep.setting.norm),
    )
