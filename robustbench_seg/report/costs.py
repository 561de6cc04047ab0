"""What a run cost: forwards, backwards, time and memory by model and perturbation, summed over the grid of epsilons."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.report.cells import Cell, Line, Table, text_cells
from robustbench_seg.report.names import full_name, norm_name
from robustbench_seg.results.rows import CostRow

_HEADS = ("epsilons", "forwards", "backwards", "seconds", "peak memory (MB)")


def cost_tables(costs: Sequence[CostRow]) -> list[Table]:
    """One table per model and data set, with a line for the whole."""
    places: dict[tuple[str, str], dict[tuple[str, str, str], list[CostRow]]] = {}
    for cost in costs:
        series = places.setdefault((cost.model, cost.dataset), {})
        series.setdefault((cost.attack, cost.objective, cost.norm), []).append(cost)
    return [_table(f"Cost of {model} on {dataset}", series) for (model, dataset), series in places.items()]


def _table(caption: str, series: dict[tuple[str, str, str], list[CostRow]]) -> Table:
    lines = [
        Line(full_name(attack, objective), norm_name(norm), _cells(costs))
        for (attack, objective, norm), costs in series.items()
    ]
    whole = Line("total", "", _cells([cost for costs in series.values() for cost in costs]))
    return Table(caption, "perturbation", _HEADS, (*lines, whole))


def _cells(costs: Sequence[CostRow]) -> tuple[Cell, ...]:
    forwards, backwards = sum(cost.forwards for cost in costs), sum(cost.backwards for cost in costs)
    memory = max(cost.peak_memory_mb or 0.0 for cost in costs)
    shown = f"{memory:,.0f}" if memory > 0 else "–"
    seconds = sum(cost.seconds for cost in costs)
    return text_cells(str(len(costs)), f"{forwards:,}", f"{backwards:,}", f"{seconds:,.1f}", shown)
