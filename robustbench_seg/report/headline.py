"""The result at a glance: what every model retains under one noise and one attack, with a one-line verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence

from robustbench_seg.report.cells import Cell, Line, Table
from robustbench_seg.report.material import Material
from robustbench_seg.report.names import metric_name, metric_text, perturbation_name, strength
from robustbench_seg.report.section import Part, Section
from robustbench_seg.report.views import View
from robustbench_seg.results.intervals import OPEN, UNKNOWN
from robustbench_seg.results.keys import attack_name
from robustbench_seg.results.rows import Row, Series

_NOISES = ("gaussian", "salt_and_pepper")
_ATTACKS = ("pgd", "fgsm", "dag")
"""What a headline is about, the preferred first; others count where none of these ran."""

_HEADS = ("metric", "under", "clean", "perturbed", "change", "95 % interval", "verdict")
_CAPTION = "Change of the retained performance Q from 1 (unharmed), in percentage points"
_READING = "Where models are compared, the paired differences decide, which robustseg plot computes."


def section(material: Material) -> Sequence[Section]:
    """One row per model and quoted perturbation."""
    lines = [_line(view, row) for view in material.views for row in quoted(view)]
    if not lines:
        return [Section("results", "Results", "Results", ["No perturbed cell has a value yet."])]
    return [
        Section(
            "results", "Results", "Results", [_READING], [Part(tables=[Table(_CAPTION, "model", _HEADS, tuple(lines))])]
        )
    ]


def quoted(view: View) -> list[Row]:
    """Each model under one noise and one attack, at the epsilon nearest to 1 that they share, or at their own."""
    rows = [r for r in view.perturbed if r.is_own and r.epsilon != 0 and not r.failed and r.ratio is not None]
    noises = _ranked([row for row in rows if not row.objective], _NOISES)
    attacks = _ranked([row for row in rows if row.objective], _ATTACKS)
    grids = {
        series[0]: {row.epsilon for row in rows if row.series == series[0]} for series in (noises, attacks) if series
    }
    shared = set.intersection(*grids.values()) if grids else set()
    places = [(series, _nearest_to_one(shared or grid)) for series, grid in grids.items()]
    found = {(row.model, row.series, row.epsilon): row for row in rows}
    return [row for model in view.models for place in places if (row := found.get((model, *place)))]


def _ranked(rows: Sequence[Row], order: Sequence[str]) -> list[Series]:
    def rank(row: Row) -> int:
        name = attack_name(row.attack)
        return order.index(name) if name in order else len(order)

    return [row.series for row in sorted(rows, key=rank)]


def _nearest_to_one(grid: set[float | None]) -> float | None:
    bounded = [epsilon for epsilon in grid if epsilon]
    return min(bounded, key=lambda epsilon: (abs(math.log(epsilon)), epsilon)) if bounded else None


def _line(view: View, row: Row) -> Line:
    values = [Cell("–" if v is None else metric_text(row.task, row.metric, v)) for v in (row.clean, row.value)]
    under = f"{perturbation_name(row.attack, row.objective, row.norm)} {strength(row.epsilon)}"
    has_interval = row.ratio_low is not None
    interval = f"[{_points(row.low)}, {_points(row.high)}]" if has_interval else "none"
    cells = (
        Cell(f"{view.title}: {metric_name(row.task, row.metric)}"),
        Cell(under),
        *values,
        Cell(_points(row.ratio or 0.0)),
        Cell(interval),
        Cell(_verdict(row) if has_interval else UNKNOWN),
    )
    return Line(row.model, "", cells)


def _points(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}".replace("-", "−")


def _verdict(row: Row) -> str:
    if row.high < 1:
        return "harmed"
    return "improved" if row.low > 1 else f"{OPEN} from clean"
