"""The tables of a run: numbers by perturbation and epsilon, what targeted attacks reached, classes, costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from robustbench_seg.classes import canonical
from robustbench_seg.report.cells import DASH, Cell, Line, Table, ratio_cell, share_cell, text_cells, value_cell
from robustbench_seg.report.outcomes import outcomes
from robustbench_seg.report.views import View, view
from robustbench_seg.results.differences import Difference
from robustbench_seg.results.gains import Gain
from robustbench_seg.results.keys import CLEAN, FLOAT, attack_name, severity_of
from robustbench_seg.results.names import (
    as_scored,
    attack_title,
    class_metric_name,
    epsilon_text,
    full_name,
    images_text,
    metric_name,
    metric_text,
    norm_name,
    strength,
    task_name,
)
from robustbench_seg.results.rows import OUTCOMES, CostRow, Row, Series, unique

_COSTS = ("cells", "forwards", "backwards", "seconds", "peak memory (MB)")

_Measured = TypeVar("_Measured", Row, Difference, Gain)


def by_epsilon(
    caption: str,
    measured: Sequence[_Measured],
    labels: Mapping[Series, str],
    cell: Callable[[_Measured | None], Cell],
) -> Table:
    """One row per perturbation and one column per epsilon; noise and attacks on the task come first."""
    epsilons = sorted({each.epsilon for each in measured}, key=lambda epsilon: (epsilon is None, epsilon))
    places = {(each.series, each.epsilon): each for each in measured}
    ordered = sorted({each.series: each for each in measured}.values(), key=lambda each: not each.is_own)
    lines = [
        Line(
            labels[each.series],
            norm_name(each.norm),
            tuple(cell(places.get((each.series, epsilon))) for epsilon in epsilons),
        )
        for each in ordered
    ]
    return Table(caption, "ε in units of 1/255", tuple(map(epsilon_text, epsilons)), tuple(lines))


def by_severity(caption: str, measured: Sequence[_Measured], cell: Callable[[_Measured | None], Cell]) -> Table:
    """One row per corruption (rounded images apart) and one column per severity."""
    places = {(attack_name(each.attack), each.scored, severity_of(each.attack)): each for each in measured}
    severities = sorted({severity for *_, severity in places if severity is not None})
    lines = [
        Line(
            as_scored(attack_title(kind), scored),
            "",
            tuple(cell(places.get((kind, scored, severity))) for severity in severities),
        )
        for kind, scored in dict.fromkeys(place[:2] for place in places)
    ]
    return Table(caption, "severity", tuple(map(str, severities)), tuple(lines))


def pivot(view: View, model: str, cell: Callable[[Row | None], Cell] = ratio_cell) -> Table:
    """One model's perturbations by epsilon."""
    clean = view.clean(model)
    value = (
        ""
        if clean is None or clean.value is None
        else f", {metric_text(view.task, view.metric, clean.value)} on clean images"
    )
    rows = [row for row in view.perturbed if row.model == model]
    number = f"{metric_name(view.task, view.metric)} of {task_name(view.task)}{value}"
    caption = f"{model} on {view.dataset}: {number}, {images_text([row.n_images for row in rows])}"
    return by_epsilon(caption, rows, view.labels, cell)


def other_pivots(rows: Sequence[Row], shown: View) -> list[Table]:
    """The task's other metrics, one table per metric and model."""
    mine = [row for row in rows if (row.dataset, row.task) == (shown.dataset, shown.task)]
    metrics = unique([row.metric for row in mine if row.metric not in (shown.metric, *OUTCOMES)])
    views = [view(mine, shown.dataset, shown.task, metric) for metric in metrics]
    return [pivot(other, model, value_cell) for other in views for model in other.models]


def targets(rows: Sequence[Row]) -> Table | None:
    """What became of the targets of attacks that have some: which share changed, and which reached what was wanted."""
    lines = [
        _cell_line({"changed": outcome.changed}, [share_cell(outcome.changed), share_cell(outcome.reached)])
        for outcome in outcomes(rows).values()
    ]
    caption = "Share of the targets that changed, and that reached what the attack wanted"
    return Table(caption, "attack", ("changed", "reached", "images"), tuple(lines)) if lines else None


def hidden_classes(class_rows: Sequence[Row]) -> Table | None:
    """What became of a hidden class: its metric, clean and attacked, in every task measured."""
    cells: dict[object, dict[tuple[str, str], Row]] = {}
    for row in class_rows:
        kind, _, rest = row.objective.partition(":")
        if kind == "hide" and canonical(rest.partition("@")[0]) == canonical(row.label):
            cells.setdefault(row.key, {})[row.task, row.metric] = row
    metrics = list(dict.fromkeys(metric for measured in cells.values() for metric in measured))
    lines = []
    for measured in cells.values():
        rows = [measured.get(metric) for metric in metrics]
        lines.append(_cell_line(measured, [cell for row in rows for cell in (_clean_cell(row), value_cell(row))]))
    heads = (*[text for _ in metrics for text in ("clean", "attacked")], "images")
    groups = (*[(f"{class_metric_name(task, metric)} of {task_name(task)}", 2) for task, metric in metrics], ("", 1))
    caption = "The hidden class alone, over the images whose clean prediction has it"
    return Table(caption, "attack", heads, tuple(lines), groups) if lines else None


def per_class(view: View, class_rows: Sequence[Row], model: str) -> Table | None:
    """Every class on clean images and under each perturbation of the task at a middle epsilon, not rounded."""
    place = (model, view.dataset, view.task, view.metric)
    mine = [row for row in class_rows if (row.model, row.dataset, row.task, row.metric) == place]
    own = [row for row in mine if row.attack != CLEAN and row.is_own and row.scored == FLOAT]
    chosen = _middle(own)
    clean = {row.label: row for row in mine if row.attack == CLEAN}
    places = {(row.series, row.epsilon, row.label): row for row in own}
    lines = [
        Line(label, "", (_clean_cell(clean.get(label)), *[value_cell(places.get((*key, label))) for key in chosen]))
        for label in unique([row.label for row in mine])
    ]
    heads = ("clean", *[f"{view.labels[series]} {strength(epsilon)}" for series, epsilon in chosen])
    caption = f"{model} on {view.dataset}: {class_metric_name(view.task, view.metric)} of every class"
    return Table(caption, "class", heads, tuple(lines)) if lines and chosen else None


def cost_tables(costs: Sequence[CostRow]) -> list[Table]:
    """Costs by perturbation, summed over its epsilons: one table per model and data set, with a line for the whole."""
    places: dict[tuple[str, str], dict[Series, list[CostRow]]] = {}
    for cost in costs:
        # The severities of a corruption are its grid.
        label = cost.attack if severity_of(cost.attack) is None else attack_name(cost.attack)
        series = (label, *cost.series[1:])
        places.setdefault((cost.model, cost.dataset), {}).setdefault(series, []).append(cost)
    return [_cost_table(f"Cost of {model} on {dataset}", by_series) for (model, dataset), by_series in places.items()]


def _middle(rows: Sequence[Row]) -> list[tuple[Series, float | None]]:
    """One epsilon for each series: the middle of those all share, else the middle of those it ran at."""
    grids: dict[Series, set[float]] = {}
    for row in rows:
        grids.setdefault(row.series, set()).update([row.epsilon] if row.epsilon else [])
    bounded = [grid for grid in grids.values() if grid]
    shared = sorted(set.intersection(*bounded)) if bounded else []
    return [(series, _central(shared or sorted(grid)) if grid else None) for series, grid in grids.items()]


def _central(values: Sequence[float]) -> float:
    return values[(len(values) - 1) // 2]


def _cell_line(rows: Mapping[Any, Row], cells: Sequence[Cell]) -> Line:
    """The line of one cell: the model, the attack, the cells, and over how many images."""
    row = next(iter(rows.values()))
    attack = as_scored(f"{full_name(row.attack, row.objective)} {strength(row.epsilon)}", row.scored)
    return Line(f"{row.model} on {row.dataset}", attack, (*cells, Cell(str(row.n_images))))


def _clean_cell(row: Row | None) -> Cell:
    return Cell(DASH if row is None or row.clean is None else metric_text(row.task, row.metric, row.clean))


def _cost_table(caption: str, series: dict[Series, list[CostRow]]) -> Table:
    lines = [
        Line(as_scored(full_name(attack, objective), scored), norm_name(norm), _cost_cells(costs))
        for (attack, objective, norm, scored), costs in series.items()
    ]
    whole = Line("total", "", _cost_cells([cost for costs in series.values() for cost in costs]))
    return Table(caption, "perturbation", _COSTS, (*lines, whole))


def _cost_cells(costs: Sequence[CostRow]) -> tuple[Cell, ...]:
    forwards, backwards = sum(cost.forwards for cost in costs), sum(cost.backwards for cost in costs)
    memory = max(cost.peak_memory_mb or 0.0 for cost in costs)
    shown = f"{memory:,.0f}" if memory > 0 else DASH
    seconds = sum(cost.seconds for cost in costs)
    return text_cells(str(len(costs)), f"{forwards:,}", f"{backwards:,}", f"{seconds:,.1f}", shown)
