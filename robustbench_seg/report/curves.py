"""Curves over epsilon or SNR, as plans of figures: which lines share a panel, in which look; `draw` draws them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from robustbench_seg.report.style import Look, colours, looks
from robustbench_seg.report.views import Curve, View
from robustbench_seg.results.keys import FLOAT, ROUNDED, attack_name, severity_of
from robustbench_seg.results.names import attack_title, metric_name
from robustbench_seg.results.rows import Row, unique

NOTHING = (math.nan, math.nan)
_PLAIN = looks([""])[""]
_GREY = "#777777"


@dataclass(frozen=True)
class Axis:
    """A horizontal axis: what it is called and where a row stands on it (None: nowhere)."""

    key: str
    label: str
    position: Callable[[Row], float | None]


AXES = (
    Axis("epsilon", "requested ε (1/255)", lambda row: row.epsilon or row.rms or None),
    Axis("snr", "realised SNR (dB), stronger →", lambda row: row.snr_db),
)


SEVERITY = Axis("severity", "severity", lambda row: severity_of(row.attack))
"""The axis of corruptions without an epsilon."""


class Point(NamedTuple):
    """One point of a line: its interval is a band, `bar` a second one drawn as a bar; NaN leaves a gap."""

    x: float
    y: float
    band: tuple[float, float] = NOTHING
    bar: tuple[float, float] = NOTHING
    has_failed: bool = False
    is_doubted: bool = False


@dataclass(frozen=True)
class Line:
    """One curve: its points from left to right and its look."""

    points: Sequence[Point]
    look: Look
    is_unbounded: bool = False


@dataclass(frozen=True)
class Panel:
    """One small plot: its title and the lines in it."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Plot:
    """A grid of panels on one axis, with a legend of names and looks; `neutral` is where nothing is lost or differs."""

    title: str
    quantity: str
    panels: Sequence[Panel]
    legend: Mapping[str, Look]
    axis: Axis
    neutral: float = 1.0

    @property
    def lines(self) -> list[Line]:
        """The lines of all panels."""
        return [line for panel in self.panels for line in panel.lines]


def overview(view: View, axis: Axis, styles: Mapping[str, Look]) -> Plot:
    """One panel per model with all perturbations of the task: colour is the perturbation."""
    curves = view.curves(own=True)
    palette = colours(curves)

    def look(curve: Curve) -> Look:
        return replace(styles[curve.model], colour=palette[curve.plain])

    panels = [Panel(model, _lines([c for c in curves if c.model == model], look, axis)) for model in view.models]
    legend = _legend({label: replace(_PLAIN, colour=colour) for label, colour in palette.items()}, curves)
    return Plot(f"{view.title}, by model", _quantity(view), [p for p in panels if p.lines], legend, axis)


def by_perturbation(view: View, axis: Axis, styles: Mapping[str, Look], own: bool) -> Plot:
    """One panel per perturbation with all models: line, marker and colour are the model."""
    curves = view.curves(own)
    panels = [
        Panel(label, _lines([curve for curve in curves if curve.plain == label], lambda c: styles[c.model], axis))
        for label in unique([curve.plain for curve in curves])
    ]
    drawn = {curve.model for curve in curves}
    legend = _legend({model: look for model, look in styles.items() if model in drawn}, curves)
    title = f"{view.title}, by perturbation" if own else f"{view.title}, attacked through another task"
    return Plot(title, _quantity(view), panels, legend, axis)


def by_corruption(view: View, styles: Mapping[str, Look]) -> Plot:
    """One panel per corruption with all models, over its severities."""
    rows = sorted(view.graded, key=lambda row: severity_of(row.attack) or 0)

    def line(kind: str, model: str) -> Line:
        mine = [row for row in rows if (attack_name(row.attack), row.model) == (kind, model) and row.scored == FLOAT]
        return Line([_point(severity_of(row.attack) or 0, row) for row in mine], styles[model])

    kinds = unique([attack_name(row.attack) for row in view.graded])
    panels = [Panel(attack_title(kind), [line(kind, model) for model in view.models]) for kind in kinds]
    legend = {model: styles[model] for model in view.models}
    return Plot(f"{view.title}, by corruption", _quantity(view), panels, legend, SEVERITY)


def _legend(named: Mapping[str, Look], curves: Sequence[Curve]) -> Mapping[str, Look]:
    """The looks by name, and that of images rounded to 8 bits where some are."""
    if not any(curve.is_rounded for curve in curves):
        return named
    plain = {name: look.scored(is_rounded=False) for name, look in named.items()}
    return {**plain, ROUNDED: replace(_PLAIN, colour=_GREY).scored(is_rounded=True)}


def _lines(curves: Sequence[Curve], look: Callable[[Curve], Look], axis: Axis) -> list[Line]:
    """The lines of one panel; images rounded to 8 bits look like those before, but dotted and hollow."""
    has_rounded = any(curve.is_rounded for curve in curves)
    looks = [look(curve).scored(is_rounded=curve.is_rounded) if has_rounded else look(curve) for curve in curves]
    return [_line(curve, own, axis) for curve, own in zip(curves, looks, strict=True)]


def _line(curve: Curve, look: Look, axis: Axis) -> Line:
    points = [_point(at, row) for row in curve.points if (at := axis.position(row)) is not None]
    return Line(points, look, curve.is_unbounded)


def _point(at: float, row: Row) -> Point:
    """Q and its interval; a failed cell is a gap, for it stands for fewer images."""
    if row.failed or row.ratio is None:
        return Point(at, math.nan, has_failed=row.failed)
    return Point(at, row.ratio, (row.low, row.high), is_doubted=bool(row.doubts))


def _quantity(view: View) -> str:
    name = metric_name(view.task, view.metric)
    lower = any(row.direction == "lower" for row in view.rows)
    return f"Q = clean / perturbed {name}" if lower else f"Q = perturbed / clean {name}"
