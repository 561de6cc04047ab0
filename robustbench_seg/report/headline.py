"""The result in plain words: what a model keeps under noise and under attack, and which model keeps more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from robustbench_seg.report.names import metric_name, perturbation_name, strength
from robustbench_seg.report.views import View
from robustbench_seg.results.rows import Row

_NOISES = ("gaussian", "salt_and_pepper")
_ATTACKS = ("pgd", "fgsm", "dag")
"""What a headline is about, the preferred first; others count where none of these ran."""

_UNMISTAKABLE = ("miou",)
"""Metrics that say which task they are of."""

Place = tuple[tuple[str, str, str], float | None]
"""A series and a radius in grey values (None: unbounded)."""


def headlines(view: View) -> list[str]:
    """A sentence a model, and one that compares them where there are several."""
    places = _places(view)
    found = {(row.model, row.series, row.epsilon): row for row in _usable(view)}
    quoted = [[row for place in places if (row := found.get((model, *place)))] for model in view.models]
    sentences = [_sentence(view, rows) for rows in quoted if rows]
    rivals = [row for rows in quoted for row in rows if (row.series, row.epsilon) == places[-1]]
    return [*sentences, _comparison(view, rivals)] if len(rivals) > 1 else sentences


def _usable(view: View) -> list[Row]:
    return [
        row for row in view.perturbed if row.is_own and row.epsilon != 0 and not row.failed and row.ratio is not None
    ]


def _places(view: View) -> list[Place]:
    """One noise and one attack, at the radius nearest to 1 that they share, or at their own if they share none."""
    rows = _usable(view)
    noises = _ranked([row for row in rows if not row.objective], _NOISES)
    attacks = _ranked([row for row in rows if row.objective], _ATTACKS)
    grids = {
        series[0]: {row.epsilon for row in rows if row.series == series[0]} for series in (noises, attacks) if series
    }
    shared = set.intersection(*grids.values()) if grids else set()
    return [(series, _nearest_to_one(shared or grid)) for series, grid in grids.items()]


def _ranked(rows: Sequence[Row], order: Sequence[str]) -> list[tuple[str, str, str]]:
    ranked = sorted(rows, key=lambda row: order.index(row.attack) if row.attack in order else len(order))
    return [row.series for row in ranked]


def _nearest_to_one(grid: set[float | None]) -> float | None:
    bounded = [epsilon for epsilon in grid if epsilon]
    return min(bounded, key=lambda epsilon: (abs(math.log(epsilon)), epsilon)) if bounded else None


def _sentence(view: View, rows: Sequence[Row]) -> str:
    model, quantity = rows[0].model, _quantity(view)
    if rows[0].direction == "lower":
        parts = " and ".join(f"{_growth(row)} {_under(row)}" for row in rows)
        return f"On {view.dataset}, the {quantity} of {model} {parts}."
    shares = [_percent(row.ratio or 0.0) for row in rows]
    shares[0] += f" of its {quantity}"
    parts = " and ".join(f"{share} {_under(row)}" for share, row in zip(shares, rows, strict=True))
    return f"On {view.dataset}, {model} keeps {parts}."


def _comparison(view: View, rivals: Sequence[Row]) -> str:
    """Best against worst, and whether their intervals tell them apart."""
    ranked = sorted(rivals, key=lambda row: row.ratio or 0.0)
    best, worst = ranked[-1], ranked[0]
    order = f"less than {worst.model}" if len(rivals) == 2 else f"least and {worst.model} most"
    numbers = " against ".join(f"{row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in (best, worst))
    overlap = "do not overlap" if best.low > worst.high else "overlap: only paired images (robustseg plot) tell more"
    where = f"On {view.dataset}, {_under(best)}"
    return f"{where}, {best.model} is hurt {order}: Q of {metric_name(view.metric)} {numbers}; the intervals {overlap}."


def _under(row: Row) -> str:
    return f"under {perturbation_name(row.attack, row.objective)} {strength(row.epsilon)}"


def _quantity(view: View) -> str:
    name = metric_name(view.metric)
    return name if view.metric in _UNMISTAKABLE else f"{view.task.replace('_', ' ')} {name}"


def _percent(share: float) -> str:
    """Whole per cent, with a decimal where whole ones would read as all or nothing."""
    shown = 100 * share
    return f"{shown:.0f} %" if 1 <= shown < 99 or shown >= 100 else f"{shown:.1f} %"


def _growth(row: Row) -> str:
    if not row.ratio:
        return "grows from nothing"
    growth = 1 / row.ratio - 1
    return f"grows by {_percent(growth)}" if growth >= 0 else f"shrinks by {_percent(-growth)}"
