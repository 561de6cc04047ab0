"""All that the page of relationships is made of, read from one or several runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from robustbench_seg.attacks.objectives.base import Role
from robustbench_seg.classes import canonical
from robustbench_seg.errors import UsageError
from robustbench_seg.report.relationships.contrasts import Samples
from robustbench_seg.report.relationships.effects import effects_of, measured_tasks, place, whole
from robustbench_seg.report.relationships.matrix import REFERENCE, Matrix, Place, Sweep, objective_sweeps, sweeps
from robustbench_seg.report.relationships.objectives import described
from robustbench_seg.results.keys import CLEAN, FLOAT, WORST, attack_name
from robustbench_seg.results.measurements import Measurements
from robustbench_seg.results.merge import merge, model_names
from robustbench_seg.results.names import epsilon_text, task_name
from robustbench_seg.results.pair import RATIO, VALUE
from robustbench_seg.results.rows import OUTCOMES, Row, unique
from robustbench_seg.results.run import Panel, Run
from robustbench_seg.results.sample import Sample
from robustbench_seg.tasks.registry import is_task, load_task

HIDING_REFERENCE = 2.0
"""The ε of a hidden class that is shown first: that of UniNet 2021, table 3."""

SHAPE = "aspect_ratio"
"""The metric that tells the shape of boxes."""

Placed = tuple[str, Place, Row]
"""A row with its subject and its place in a matrix."""


@dataclass(frozen=True)
class Study:
    """Effects and what is derived from them; only models with at least two tasks measured on a data set.

    `sweeps` are those over whole objectives, `hidings` of a hidden class by the task it was hidden in, `swaps` of two
    classes by class and metric; `outcomes` are shares of targets that an attack reached.
    """

    effects: Sequence[Row]
    sweeps: Sequence[Sweep]
    hidings: Sequence[Sweep]
    swaps: Sequence[Matrix]
    outcomes: Sequence[Row]
    samples: Samples
    panels: Sequence[Panel]
    info: Mapping[str, Any]
    notes: Sequence[str]


@contextmanager
def opened_study(runs: Sequence[Run], folder: Path, reference: float | None = None) -> Iterator[Study]:
    """The study of several runs, while their stores are open; `folder` is where it is written to.

    `reference` is the ε shown first, None for the papers'. Raises UsageError where there is nothing to relate.
    """
    for run in runs:
        _require_attack(run)
    merged = merge(runs, folder)
    tasks = measured_tasks(merged.rows)
    places = {where for where, measured in tasks.items() if len(measured) > 1}
    if not places:
        raise UsageError(f"no model with at least two tasks: {_listed(tasks)}; give a run of a multi-task model")
    table = [row for row in merged.rows if place(row) in places and _is_related(row)]
    classes = [row for row in merged.class_rows if place(row) in places and _is_related(row) and row.attack != CLEAN]
    effects = effects_of(table)
    _check_reference(effects, reference)
    with Measurements(runs) as measurements:
        yield Study(
            effects,
            objective_sweeps(effects, reference or REFERENCE),
            sweeps(_hidden(classes), reference or HIDING_REFERENCE),
            [matrix for sweep in sweeps(_swapped(classes)) for matrix in sweep.matrices],
            [row for row in table if row.metric in OUTCOMES],
            cache(_samples(measurements)),
            [panel for panel in _pictured(runs) if (panel.model, panel.dataset) in places],
            merged.info,
            [*_single_tasks(tasks), *_failures(effects)],
        )


def _is_related(row: Row) -> bool:
    # A worst case is chosen by the harm to the task attacked: beside it, other tasks would look little harmed. Images
    # rounded to 8 bits are a second look at the same attacks.
    return attack_name(row.attack) != WORST and row.scored == FLOAT


def _samples(measurements: Measurements) -> Samples:
    def samples(row: Row) -> Sample | None:
        return measurements.sample(row.key, row.task, row.metric, RATIO if row.direction else VALUE, row.label)

    return samples


def swapped_classes(objective: str) -> tuple[str, ...]:
    """The two classes of a swap, as the objective calls them; nothing for another objective."""
    classes = described(objective).classes
    return classes if len(classes) == 2 else ()


def _hidden(class_rows: Iterable[Row]) -> Iterator[Placed]:
    """Rows of a class that is hidden, in the metric that shows what became of it."""
    for row in class_rows:
        shown = load_task(row.task).class_curve if is_task(row.task) else row.metric
        if row.metric == shown and [*map(canonical, described(row.objective).classes)] == [canonical(row.label)]:
            yield row.label, (row.aim, row.task), whole(row)


def _swapped(class_rows: Iterable[Row]) -> Iterator[Placed]:
    """Rows of both swapped classes in the task attacked, by class (as the objective calls it) and metric."""
    for row in class_rows:
        for label in swapped_classes(row.objective) if row.task == row.aim else ():
            if canonical(label) == canonical(row.label):
                yield row.objective, (label, row.metric), whole(row)


def _pictured(runs: Sequence[Run]) -> Iterable[Panel]:
    """Panels of images that have one of an attack on a class or a group, with their clean ones."""
    for run, shown in zip(runs, model_names(runs), strict=True):
        roles = (Role.TARGETED, Role.GROUP)
        panels = [p for p in run.panels() if not p.attack or (p.objective and described(p.objective).role in roles)]
        attacked = {(p.model, p.dataset, p.image) for p in panels if p.attack}
        for panel in panels:
            if (panel.model, panel.dataset, panel.image) in attacked:
                yield replace(panel, model=shown.get(panel.model, panel.model))


def _require_attack(run: Run) -> None:
    if any(row.objective and row.attack != CLEAN for row in run.rows):
        return
    models = " ".join(f"-m {model}" for model in unique([row.model for row in run.rows])) or "-m MODEL"
    data = " ".join(f"-d {dataset}" for dataset in unique([row.dataset for row in run.rows])) or "-d DATASET"
    raise UsageError(
        f"run '{run.folder}' has no gradient attack, so nothing to relate; "
        f"make one with `robustseg evaluate {models} {data} -a pgd -e 1`"
    )


def _check_reference(effects: Sequence[Row], reference: float | None) -> None:
    grid = sorted({row.epsilon for row in effects if row.epsilon})
    if reference is not None and reference not in grid:
        raise UsageError(f"-e {reference:g} was not run; choose one of {', '.join(map(epsilon_text, grid)) or 'none'}")


def _listed(tasks: Mapping[tuple[str, str], Sequence[str]]) -> str:
    return "; ".join(f"{model} on {dataset} has {', '.join(names)}" for (model, dataset), names in tasks.items())


def _single_tasks(tasks: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    return [
        f"{model} on {dataset} is not shown: it has one task ({task_name(names[0])}), and a relationship takes two."
        for (model, dataset), names in tasks.items()
        if len(names) < 2
    ]


def _failures(effects: Sequence[Row]) -> list[str]:
    count = sum(row.failed for row in effects)
    cells = "1 cell" if count == 1 else f"{count} cells"
    return [f"{cells} of failed images: empty here; `robustseg evaluate` tries them again."] if count else []
