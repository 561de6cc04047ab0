"""What a run cost: forwards, backwards, time and memory by model and perturbation, summed over the radii."""

from __future__ import annotations

import pandas as pd

from robustbench_seg.report.cells import Cell, Line, Table, text_cells
from robustbench_seg.report.names import NORMS, full_name

_KEYS = ["model", "dataset", "attack", "objective", "norm"]
_SUMS = ["forwards", "backwards", "seconds"]
_HEADS = ("radii", "forwards", "backwards", "seconds", "peak memory (MB)")


def cost_tables(costs: pd.DataFrame) -> list[Table]:
    """A table a model and data set, with a line for the whole."""
    tables = []
    for (model, dataset), part in costs.groupby(["model", "dataset"], sort=False):
        lines = [
            Line(full_name(str(attack), str(objective)), NORMS.get(str(norm), str(norm)), _cells(group))
            for (attack, objective, norm), group in part.groupby(_KEYS[2:], sort=False)
        ]
        whole = Line("total", "", _cells(part))
        tables.append(Table(f"Cost of {model} on {dataset}", "perturbation", _HEADS, (*lines, whole)))
    return tables


def _cells(group: pd.DataFrame) -> tuple[Cell, ...]:
    forwards, backwards, seconds = (float(group[column].sum()) for column in _SUMS)
    memory = float(group["peak_memory_mb"].max())
    shown = f"{memory:,.0f}" if memory > 0 else "–"
    return text_cells(str(len(group)), f"{forwards:,.0f}", f"{backwards:,.0f}", f"{seconds:,.1f}", shown)
