"""The sections of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from robustbench_seg.report.cells import Table
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.results.run import Run
from robustbench_seg.studies.strength import depth_losses
from robustbench_seg.studies.strength.equal_gradients import Gap, counts_table, differences, models_table
from robustbench_seg.studies.strength.figure import gradients_figure
from robustbench_seg.studies.strength.settings import (
    EPSILONS,
    EQUAL,
    EQUAL_STEPS,
    SHOWN,
    gradients,
    protocols,
    rung,
    titled_by_loss,
)
from robustbench_seg.studies.strength.tables import Parts, halves_table, worst_table


def sections(found: Parts, by_loss: Sequence[Run], words: Mapping[str, Any]) -> list[Section]:
    """The sections of the page; `by_loss` are the runs that attack depth by several losses."""
    labels = {task: [rung(task, *attack, EQUAL_STEPS).label for attack in attacks] for task, attacks in EQUAL.items()}
    tasks = [(model, task) for model in found["equal"] for task in EQUAL if task in model.tasks]
    gaps = [gap for model, task in tasks for gap in differences(model, task, labels[task])]
    gaps = [replace(gap, comparisons=len(gaps)) for gap in gaps]
    strong, fast = (gradients(protocols()[name]) for name in ("strong", "fast-strong"))
    facts = {
        "images": found["ladder"][0].n_images,
        "half": found["ladder"][0].n_images // 2,
        "steps": EQUAL_STEPS,
        "comparisons": len(gaps),
        "strong": f"{strong:g}",
        "fast": f"{fast:g}",
        "share": f"{fast / strong:.0%}",
    }
    text = {
        name: [each.format(**facts) for each in words[name]] for name in ("equal", "losses", "ladder", "strong", "fast")
    }
    worst = {epsilon: worst_table(found, epsilon) for epsilon in EPSILONS}
    attacks = depth_losses.plans(EPSILONS, EQUAL_STEPS)
    losses = {epsilon: depth_losses.losses_table(by_loss, attacks, epsilon) for epsilon in EPSILONS}
    curves = drawn("curves", [Drawing("gradients", text["ladder"][0], partial(gradients_figure, found))])
    return [
        Section("worst", "Worst case", "The worst case", text["strong"], by_epsilon(worst)),
        Section("equal", "Equal gradients", "Attack by attack at equal gradients", text["equal"], equal_parts(gaps)),
        Section("losses", "Losses of depth", "Why CosPGD is weaker on depth", text["losses"], by_epsilon(losses)),
        Section("gradients", "Gradients", "mIoU over gradients", [], [Part(figures=files) for files in curves]),
        Section("fast", "fast-strong", "How near fast-strong is", text["fast"], [Part(tables=[halves_table(found)])]),
    ]


def equal_parts(gaps: Sequence[Gap]) -> list[Part]:
    """A table of counts per task, and every number folded away."""
    parts = []
    for task, attacks in EQUAL.items():
        titles = {rung(task, *attack, EQUAL_STEPS).label: titled_by_loss(*attack) for attack in attacks}
        own = [gap for gap in gaps if gap.task == task]
        if own:
            parts.append(Part(tables=[counts_table(task, own, titles)]))
            tables = [models_table(own, epsilon, titles) for epsilon in EPSILONS]
            parts.append(Part("Every model, with intervals", tables=tables, is_open=False))
    return parts


def by_epsilon(tables: Mapping[float, Table]) -> list[Part]:
    """One table, and those of the other ε folded away."""
    return [Part(tables=[tables[SHOWN]], folded=[table for epsilon, table in tables.items() if epsilon != SHOWN])]
