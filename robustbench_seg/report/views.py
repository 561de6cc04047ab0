"""What is shown together: the rows of one task on one data set in one metric, and the curves they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from robustbench_seg.report.names import curve_metric, labels, task_name
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.rows import OUTCOMES, Row, unique


@dataclass(frozen=True)
class Curve:
    """One model under one perturbation, by growing epsilon; the one point of an unbounded attack has none."""

    model: str
    label: str
    attack: str
    is_own: bool
    points: tuple[Row, ...]

    @property
    def is_unbounded(self) -> bool:
        """Whether the attack ran without an epsilon."""
        return self.points[0].epsilon is None


@dataclass(frozen=True)
class View:
    """The rows of one (data set, task, metric), clean ones included, and the names of its series."""

    dataset: str
    task: str
    metric: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """The task and the data set."""
        return f"{task_name(self.task)[:1].upper()}{task_name(self.task)[1:]} on {self.dataset}"

    @property
    def models(self) -> list[str]:
        """The models measured, in order of appearance."""
        return unique([row.model for row in self.rows])

    @property
    def perturbed(self) -> list[Row]:
        """All rows but the clean ones."""
        return [row for row in self.rows if row.attack != CLEAN]

    @cached_property
    def labels(self) -> dict[tuple[str, str, str], str]:
        """A distinct name for every series."""
        return labels(self.rows)

    def clean(self, model: str) -> Row | None:
        """A model's clean row."""
        return next((row for row in self.rows if row.attack == CLEAN and row.model == model), None)

    def curves(self, own: bool) -> list[Curve]:
        """The curves of attacks on this task and of noise (`own`), or of attacks on something else."""
        grouped: dict[tuple[str, tuple[str, str, str]], list[Row]] = {}
        for row in self.perturbed:
            if row.is_own == own and row.epsilon != 0:
                grouped.setdefault((row.model, row.series), []).append(row)
        return [
            Curve(model, self.labels[key], key[0], own, tuple(sorted(rows, key=lambda row: row.epsilon or 0)))
            for (model, key), rows in grouped.items()
        ]


def views(rows: Sequence[Row]) -> list[View]:
    """One view per data set and task, of the task's curve metric."""
    found = []
    for dataset in unique([row.dataset for row in rows]):
        here = [row for row in rows if row.dataset == dataset]
        for task in unique([row.task for row in here if row.metric not in OUTCOMES]):
            metrics = unique([row.metric for row in here if row.task == task and row.metric not in OUTCOMES])
            metric = curve_metric(task)
            found.append(view(here, dataset, task, metric if metric in metrics else metrics[0]))
    return found


def view(rows: Sequence[Row], dataset: str, task: str, metric: str) -> View:
    """The view of one metric."""
    chosen = [row for row in rows if (row.dataset, row.task, row.metric) == (dataset, task, metric)]
    return View(dataset, task, metric, tuple(chosen))


def shared_epsilons(rows: Sequence[Row]) -> list[float]:
    """The positive epsilons that every bounded series has, ascending."""
    grids: dict[tuple[str, str, str], set[float]] = {}
    for row in rows:
        if row.epsilon:
            grids.setdefault(row.series, set()).add(row.epsilon)
    return sorted(set.intersection(*grids.values())) if grids else []
