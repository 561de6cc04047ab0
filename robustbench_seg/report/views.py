"""What is shown together: the rows of one task on one data set in one metric, and the curves they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from robustbench_seg.results.keys import CLEAN, FLOAT, severity_of
from robustbench_seg.results.names import curve_metric, labels, task_name
from robustbench_seg.results.rows import OUTCOMES, Row, Series, unique


@dataclass(frozen=True)
class Curve:
    """One model under one perturbation, by growing epsilon; the one point of an unbounded attack has none.

    `plain` is the label of the same images before they are rounded to 8 bits; `label` itself where they are not.
    """

    model: str
    label: str
    attack: str
    is_own: bool
    points: tuple[Row, ...]
    plain: str = ""

    @property
    def is_rounded(self) -> bool:
        """Whether its images are rounded to 8 bits."""
        return self.points[0].scored != FLOAT

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
        name = task_name(self.task)
        return f"{name[:1].upper()}{name[1:]} on {self.dataset}"

    @property
    def models(self) -> list[str]:
        """The models measured, in order of appearance."""
        return unique([row.model for row in self.rows])

    @property
    def perturbed(self) -> list[Row]:
        """All rows but the clean ones and those of corruptions at a severity, which have no place among epsilons."""
        return [row for row in self.rows if row.attack != CLEAN and severity_of(row.attack) is None]

    @property
    def graded(self) -> list[Row]:
        """The rows of corruptions at a severity."""
        return [row for row in self.rows if severity_of(row.attack) is not None]

    @cached_property
    def labels(self) -> dict[Series, str]:
        """A distinct name for every series."""
        return labels(self.rows)

    def clean(self, model: str) -> Row | None:
        """A model's clean row."""
        return next((row for row in self.rows if row.attack == CLEAN and row.model == model), None)

    def curves(self, own: bool) -> list[Curve]:
        """The curves of attacks on this task and of noise (`own`), or of attacks on something else."""
        grouped: dict[tuple[str, Series], list[Row]] = {}
        for row in self.perturbed:
            if row.is_own == own and row.epsilon != 0:
                grouped.setdefault((row.model, row.series), []).append(row)
        return [self._curve(model, key, own, rows) for (model, key), rows in grouped.items()]

    def _curve(self, model: str, key: Series, own: bool, rows: Sequence[Row]) -> Curve:
        plain = self.labels.get((*key[:3], FLOAT), self.labels[key])
        points = tuple(sorted(rows, key=lambda row: row.epsilon or 0))
        return Curve(model, self.labels[key], key[0], own, points, plain)


def views(rows: Sequence[Row]) -> list[View]:
    """One view per data set and task, of the task's curve metric."""
    metrics: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.metric not in OUTCOMES:
            metrics.setdefault((row.dataset, row.task), []).append(row.metric)
    datasets = unique([row.dataset for row in rows])
    return [
        view(rows, dataset, task, curve_metric(task) if curve_metric(task) in known else known[0])
        for (dataset, task), known in sorted(metrics.items(), key=lambda item: datasets.index(item[0][0]))
    ]


def view(rows: Sequence[Row], dataset: str, task: str, metric: str) -> View:
    """The view of one metric."""
    chosen = [row for row in rows if (row.dataset, row.task, row.metric) == (dataset, task, metric)]
    return View(dataset, task, metric, tuple(chosen))
