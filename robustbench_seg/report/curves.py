"""Q curves, as plans of figures: which curves share a panel, on which axis, in which look; `draw` draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from robustbench_seg.report.names import metric_name, task_name
from robustbench_seg.report.style import Look, colours, looks
from robustbench_seg.report.views import Curve, View
from robustbench_seg.results.rows import Row, unique

_PLAIN = looks([""])[""]


@dataclass(frozen=True)
class Axis:
    """A horizontal axis: what it is called and where a row stands on it (None: nowhere)."""

    key: str
    label: str
    position: Callable[[Row], float | None]


AXES = (
    Axis(
        "epsilon",
        "requested ε (grey values)",
        lambda row: row.epsilon or row.rms or None,
    ),
    Axis("snr", "realised SNR (dB), stronger →", lambda row: row.snr_db),
)


@dataclass(frozen=True)
class Panel:
    """One small plot: its title and the curves in it, each with its look."""

    title: str
    curves: Sequence[tuple[Curve, Look]]


@dataclass(frozen=True)
class Plot:
    """A grid of panels on one axis, with a legend of names and looks."""

    title: str
    quantity: str
    panels: Sequence[Panel]
    legend: Mapping[str, Look]
    axis: Axis


def overview(view: View, axis: Axis, styles: Mapping[str, Look]) -> Plot:
    """A panel a model with all perturbations of the task: colour is the perturbation."""
    curves = view.curves(own=True)
    palette = colours(curves)
    panels = [
        Panel(model, [(c, replace(styles[model], colour=palette[c.label])) for c in curves if c.model == model])
        for model in view.models
    ]
    legend = {label: replace(_PLAIN, colour=colour) for label, colour in palette.items()}
    return Plot(f"{_title(view)}, by model", _quantity(view), [p for p in panels if p.curves], legend, axis)


def by_perturbation(view: View, axis: Axis, styles: Mapping[str, Look], own: bool) -> Plot:
    """A panel a perturbation with all models: line, marker and colour are the model."""
    curves = view.curves(own)
    panels = [
        Panel(label, [(curve, styles[curve.model]) for curve in curves if curve.label == label])
        for label in unique([curve.label for curve in curves])
    ]
    drawn = {curve.model for curve in curves}
    legend = {model: look for model, look in styles.items() if model in drawn}
    title = f"{_title(view)}, by perturbation" if own else f"{_title(view)}, attacked through another task"
    return Plot(title, _quantity(view), panels, legend, axis)


def _title(view: View) -> str:
    return f"{task_name(view.task).capitalize()} on {view.dataset}"


def _quantity(view: View) -> str:
    name = metric_name(view.metric)
    lower = any(row.direction == "lower" for row in view.rows)
    return f"Q = clean / attacked {name}" if lower else f"Q = attacked / clean {name}"
