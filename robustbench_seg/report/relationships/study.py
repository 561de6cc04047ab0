"""All that the page of relationships is made of, read from one or several runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robustbench_seg.errors import UsageError
from robustbench_seg.report.names import epsilon_text, task_name
from robustbench_seg.report.relationships.asymmetry import MATRIX_CONTRASTS, Placed, within
from robustbench_seg.report.relationships.contrast import Contrast, Draws, Key, key
from robustbench_seg.report.relationships.effects import effects, measured_tasks, place
from robustbench_seg.report.relationships.hiding import REFERENCE as HIDING_REFERENCE
from robustbench_seg.report.relationships.hiding import Hiding, chosen, hiding_contrast, hidings
from robustbench_seg.report.relationships.matrix import REFERENCE, Family, Matrix, families, leading
from robustbench_seg.report.relationships.paired import draws
from robustbench_seg.report.relationships.swapping import Swap, shape_keys, swaps
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.rows import OUTCOMES, Row, unique
from robustbench_seg.results.run import Panel, Run, RunLike

_PICTURED = ("hide:", "swap:", "group:")


@dataclass(frozen=True)
class Study:
    """Effects and what is derived from them; only models with at least two tasks measured on a data set."""

    effects: tuple[Row, ...]
    families: tuple[Family, ...]
    hidings: tuple[Hiding, ...]
    shown_hidings: tuple[Hiding, ...]
    swaps: tuple[Swap, ...]
    outcomes: tuple[Row, ...]
    draws: Draws
    panels: tuple[Panel, ...]
    info: Mapping[str, Any]
    notes: tuple[str, ...]

    def directions(self) -> list[Placed]:
        """Which way the influence is stronger, at the radii shown first."""
        return [*_directions([family.chosen for family in self.families], self.shown_hidings, self.draws)]

    def other_directions(self) -> list[Placed]:
        """The same at all other radii."""
        shown = set(map(id, self.shown_hidings))
        rest = [one for one in self.hidings if id(one) not in shown]
        return [*_directions([matrix for family in self.families for matrix in family.others], rest, self.draws)]

    def cohesions(self) -> list[Placed]:
        """Whether tasks of a group harm each other more, at the radii shown first."""
        matrices = [family.chosen for family in self.families]
        return [(m.setting, m.epsilon, one) for m in matrices if (one := within(m, self.draws))]


def study(runs: Sequence[Run], merged: RunLike, names: Sequence[Mapping[str, str]], reference: float | None) -> Study:
    """The study of `merged`, which is `runs` as one; `names` are the models of each run as they are called in it.

    `reference` is the radius shown first (grey values), None for the papers'. Raises UsageError where there is
    nothing to relate.
    """
    for run in runs:
        _require_attack(run)
    table = merged.rows
    tasks = measured_tasks(table)
    places = {where for where, measured in tasks.items() if len(measured) > 1}
    if not places:
        raise UsageError(f"no model with at least two tasks: {_listed(tasks)}; give a run of a multi-task model")
    found = effects([row for row in table if place(row) in places])
    classes = [row for row in merged.class_rows if place(row) in places and row.attack != CLEAN]
    _check_reference(found, reference)
    hidden = hidings(classes)
    made = Study(
        tuple(found),
        tuple(families(found, reference or REFERENCE)),
        tuple(hidden),
        tuple(chosen(hidden, reference or HIDING_REFERENCE)),
        tuple(swaps(classes)),
        tuple(row for row in table if row.metric in OUTCOMES and place(row) in places),
        {},
        tuple(panel for panel in _pictured(runs, names) if (panel.model, panel.dataset) in places),
        merged.info,
        (*_left_out(tasks), *_failures(found)),
    )
    return replace(made, draws=draws(runs, _wanted(made)))


def _directions(matrices: Iterable[Matrix], hidden: Iterable[Hiding], known: Draws) -> Iterable[Placed]:
    for matrix in matrices:
        for compare in MATRIX_CONTRASTS:
            if one := compare(matrix, known):
                yield matrix.setting, matrix.epsilon, one
    for hiding in hidden:
        if one := hiding_contrast(hiding, known):
            yield hiding.setting, hiding.epsilon, one


def _wanted(made: Study) -> set[Key]:
    """The cells whose resamples the contrasts and shapes shown first need."""
    contrasts: list[Contrast] = [one for _, _, one in (*made.directions(), *made.cohesions())]
    cells = [row for one in contrasts for side in (one.first, one.second) for row in side.rows]
    compared = [
        row for family in leading(made.families) for row in family.chosen.cells.values() if row.ratio is not None
    ]
    return {key(row) for row in (*cells, *compared, *(row for swap in made.swaps for row in shape_keys(swap)))}


def _pictured(runs: Sequence[Run], names: Sequence[Mapping[str, str]]) -> Iterable[Panel]:
    """Panels of images that have one of an attack on a class or a group, with their clean ones."""
    for run, shown in zip(runs, names, strict=True):
        panels = [p for p in run.panels() if not p.attack or p.objective.startswith(_PICTURED)]
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
        f"run '{Path(run.folder)}' has no gradient attack, so nothing to relate; "
        f"make one with `robustseg evaluate {models} {data} -a pgd -e 1`"
    )


def _check_reference(found: Sequence[Row], reference: float | None) -> None:
    grid = sorted({row.epsilon for row in found if row.epsilon})
    if reference is not None and reference not in grid:
        raise UsageError(f"-e {reference:g} was not run; choose one of {', '.join(map(epsilon_text, grid)) or 'none'}")


def _listed(tasks: Mapping[tuple[str, str], Sequence[str]]) -> str:
    return "; ".join(f"{model} on {dataset} has {', '.join(names)}" for (model, dataset), names in tasks.items())


def _left_out(tasks: Mapping[tuple[str, str], Sequence[str]]) -> list[str]:
    return [
        f"{model} on {dataset} is left out: it has one task ({task_name(names[0])}), and a relationship takes two."
        for (model, dataset), names in tasks.items()
        if len(names) < 2
    ]


def _failures(found: Sequence[Row]) -> list[str]:
    count = sum(row.failed for row in found)
    cells = "1 cell" if count == 1 else f"{count} cells"
    return [f"{cells} of failed images: left empty here; `robustseg evaluate` tries them again."] if count else []
