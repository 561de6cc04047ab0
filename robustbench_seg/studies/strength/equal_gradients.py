"""Attacks against the first of their task at equal gradients, on many models: differences, and tables of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.report.cells import Cell, Line, Table, text_cells
from robustbench_seg.report.comparison import Scale
from robustbench_seg.results.intervals import LEVEL, Interval, sign_of
from robustbench_seg.results.names import curve_metric, metric_name, metric_of, task_name
from robustbench_seg.results.sample import Sample
from robustbench_seg.studies.strength.samples import Sampled

SCALES = {"semantic": Scale(100.0, 1, "points"), "depth": Scale(unit="m")}


@dataclass(frozen=True)
class Gap:
    """A task's metric under an attack, and under the first one with as many gradients; `comparisons` are made in all.

    `difference` is over the same `n_images` images.
    """

    model: str
    task: str
    attack: str
    epsilon: float
    value: float
    plain: float
    difference: Sample
    n_images: int
    comparisons: int = 1

    @property
    def interval(self) -> Interval:
        """The interval of the difference, which holds all of so many true ones in 95 % of the cases (Bonferroni)."""
        return self.difference.interval_at(1 - (1 - LEVEL) / self.comparisons)

    @property
    def sign(self) -> int:
        """1 where the attack is stronger, -1 where it is weaker, 0 where that is open."""
        p = min(1.0, self.difference.p_value * self.comparisons)
        return -direction(self.task) * sign_of(self.difference.value, p, self.n_images)


def direction(task: str) -> int:
    """1 where more of the metric Q is drawn of is better, else -1."""
    return 1 if metric_of(task, curve_metric(task)).higher_is_better else -1


def differences(model: Sampled, task: str, labels: Sequence[str]) -> Iterator[Gap]:
    """Every attack on a task against the first, at every ε of that."""
    first, *others = labels
    for label, epsilon in itertools.product(others, model.epsilons(task, first)):
        a, b = (model.at(task, each, epsilon) for each in (label, first))
        yield Gap(model.model, task, label, epsilon, a.value, b.value, a - b, model.n_images)


def counts_table(task: str, gaps: Sequence[Gap], titles: Mapping[str, str]) -> Table:
    """One row per attack and ε: on how many models it is stronger than the first, and by how much."""
    lines = []
    for attack, epsilon in dict.fromkeys((gap.attack, gap.epsilon) for gap in gaps):
        own = [gap for gap in gaps if (gap.attack, gap.epsilon) == (attack, epsilon)]
        gained = [direction(task) * (gap.plain - gap.value) for gap in own]
        signs = [str(sum(gap.sign == sign for gap in own)) for sign in (1, 0, -1)]
        numbers = [SCALES[task].signed(value) for value in (float(np.mean(gained)), min(gained), max(gained))]
        lines.append(Line(titles[attack], f"ε = {epsilon:g}", text_cells(*signs, *numbers)))
    heads = ("stronger", "open", "weaker", "mean gain", "least", "most")
    models = len({gap.model for gap in gaps})
    name = metric_name(task, curve_metric(task))
    caption = (
        f"{task_name(task).capitalize()}: attacks against PGD, gain in {SCALES[task].unit} of {name} (models: {models})"
    )
    return Table(caption, "attack", heads, tuple(lines), (("models", 3), ("gain", 3)))


def models_table(gaps: Sequence[Gap], epsilon: float, titles: Mapping[str, str]) -> Table:
    """One row per model: PGD, and every attack with its difference and interval."""
    own = [gap for gap in gaps if gap.epsilon == epsilon]
    scale, attacks = SCALES[own[0].task], list(dict.fromkeys(gap.attack for gap in own))
    lines = []
    for model in dict.fromkeys(gap.model for gap in own):
        row = [gap for gap in own if gap.model == model]
        numbers = [
            Cell(scale.number(g.value), (f"{scale.signed(g.value - g.plain)} {scale.bracket(g.interval)}",))
            for g in row
        ]
        lines.append(Line(model, "", (Cell(scale.number(row[0].plain)), *numbers)))
    heads = ("PGD", *(titles[attack] for attack in attacks))
    name = metric_name(own[0].task, curve_metric(own[0].task))
    caption = f"{task_name(own[0].task).capitalize()} at ε = {epsilon:g}: {name} in {scale.unit}"
    return Table(caption, "model", heads, tuple(lines))
