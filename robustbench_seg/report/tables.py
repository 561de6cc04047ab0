"""The tables of results: Q by perturbation and radius, what targeted attacks reached, hidden classes, classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robustbench_seg.classes import canonical
from robustbench_seg.report.cells import Cell, Line, Table, ratio_cell, share_cell, value_cell
from robustbench_seg.report.names import (
    class_metric_name,
    epsilon_text,
    full_name,
    metric_name,
    metric_text,
    norm_name,
    strength,
    task_name,
)
from robustbench_seg.report.views import View, shared_epsilons, view
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.rows import OUTCOMES, Row, unique


def pivot(view: View, model: str, cell: Callable[[Row | None], Cell] = ratio_cell) -> Table:
    """One model's perturbations by radius; noise and attacks on the task come first."""
    mine = [row for row in view.perturbed if row.model == model]
    epsilons = sorted({row.epsilon for row in view.perturbed}, key=lambda e: (e is None, e))
    found = {(row.series, row.epsilon): row for row in mine}
    ordered = sorted({row.series: row for row in mine}.values(), key=lambda row: not row.is_own)
    lines = [
        Line(view.labels[row.series], _norm(row), tuple(cell(found.get((row.series, e))) for e in epsilons))
        for row in ordered
    ]
    clean = view.clean(model)
    value = (
        ""
        if clean is None or clean.value is None
        else f", {metric_text(view.task, view.metric, clean.value)} on clean images"
    )
    caption = f"{model} on {view.dataset}: {metric_name(view.task, view.metric)} of {task_name(view.task)}{value}"
    return Table(caption, "ε in units of 1/255", tuple(map(epsilon_text, epsilons)), tuple(lines))


def other_pivots(rows: Sequence[Row], shown: View) -> list[Table]:
    """The task's other metrics, a table a metric and model."""
    mine = [row for row in rows if (row.dataset, row.task) == (shown.dataset, shown.task)]
    metrics = unique([row.metric for row in mine if row.metric not in (shown.metric, *OUTCOMES)])
    views = [view(mine, shown.dataset, shown.task, metric) for metric in metrics]
    return [pivot(one, model, value_cell) for one in views for model in one.models]


def targets(rows: Sequence[Row]) -> Table | None:
    """What targeted attacks (DAG) reached: the share of targets that changed, and that became the rival."""
    cells: dict[tuple[object, ...], dict[str, Row]] = {}
    for row in rows:
        if row.metric in OUTCOMES:
            cells.setdefault((row.model, row.dataset, *row.series, row.epsilon), {})[row.metric] = row
    lines = []
    for found in cells.values():
        row = next(iter(found.values()))
        shares = tuple(share_cell(found.get(metric)) for metric in OUTCOMES)
        lines.append(_cell_line(row, (*shares, Cell(str(row.n_images)))))
    caption = "Share of the targets that left their class, and that reached the class they were pushed to"
    return Table(caption, "attack", ("changed", "reached", "images"), tuple(lines)) if lines else None


def hidden_classes(class_rows: Sequence[Row]) -> Table | None:
    """What is left of a hidden class: its own metric, clean and attacked, in every task measured."""
    cells: dict[tuple[object, ...], dict[tuple[str, str], Row]] = {}
    for row in class_rows:
        kind, _, rest = row.objective.partition(":")
        if kind == "hide" and canonical(rest.partition("@")[0]) == canonical(row.label):
            cells.setdefault((row.model, row.dataset, *row.series, row.epsilon), {})[row.task, row.metric] = row
    metrics = list(dict.fromkeys(metric for found in cells.values() for metric in found))
    lines = []
    for found in cells.values():
        row = next(iter(found.values()))
        values = [
            cell for metric in metrics for cell in (_clean_cell(found.get(metric)), value_cell(found.get(metric)))
        ]
        lines.append(_cell_line(row, (*values, Cell(str(row.n_images)))))
    heads = (*[text for _ in metrics for text in ("clean", "attacked")], "images")
    groups = (*[(f"{class_metric_name(task, metric)} of {task_name(task)}", 2) for task, metric in metrics], ("", 1))
    caption = "The hidden class alone, over the images whose clean prediction has it"
    return Table(caption, "attack", heads, tuple(lines), groups) if lines else None


def per_class(view: View, class_rows: Sequence[Row], model: str) -> Table | None:
    """Every class on clean images and under each perturbation of the task at a middle radius."""
    mine = [row for row in class_rows if _place(row) == (model, view.dataset, view.task, view.metric)]
    own = [row for row in mine if row.attack != CLEAN and row.is_own]
    chosen = _middle(own)
    clean = {row.label: row for row in mine if row.attack == CLEAN}
    found = {(row.series, row.epsilon, row.label): row for row in own}
    lines = [
        Line(label, "", (_value(clean.get(label)), *[value_cell(found.get((*key, label))) for key in chosen]))
        for label in unique([row.label for row in mine])
    ]
    heads = ("clean", *[f"{view.labels[series]} {strength(epsilon)}" for series, epsilon in chosen])
    caption = f"{model} on {view.dataset}: {class_metric_name(view.task, view.metric)} of every class"
    return Table(caption, "class", heads, tuple(lines)) if lines and chosen else None


def _middle(rows: Sequence[Row]) -> list[tuple[tuple[str, str, str], float | None]]:
    """One radius for each series: the middle of those all share, else the middle of its own."""
    grids: dict[tuple[str, str, str], set[float]] = {}
    for row in rows:
        grids.setdefault(row.series, set()).update([row.epsilon] if row.epsilon else [])
    shared = shared_epsilons(rows)
    return [(series, _central(shared or sorted(grid)) if grid else None) for series, grid in grids.items()]


def _central(values: Sequence[float]) -> float:
    return values[(len(values) - 1) // 2]


def _cell_line(row: Row, cells: tuple[Cell, ...]) -> Line:
    attack = f"{full_name(row.attack, row.objective)} {strength(row.epsilon)}"
    return Line(f"{row.model} on {row.dataset}", attack, cells)


def _clean_cell(row: Row | None) -> Cell:
    return Cell("–") if row is None or row.clean is None else Cell(metric_text(row.task, row.metric, row.clean))


def _value(row: Row | None) -> Cell:
    return Cell("–") if row is None or row.value is None else Cell(metric_text(row.task, row.metric, row.value))


def _norm(row: Row) -> str:
    return norm_name(row.norm)


def _place(row: Row) -> tuple[str, str, str, str]:
    return row.model, row.dataset, row.task, row.metric
