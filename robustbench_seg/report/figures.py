"""The figures of a run: which there are, their files and captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from robustbench_seg.report.canvas import png
from robustbench_seg.report.curves import AXES, Axis, Plot, by_perturbation, overview
from robustbench_seg.report.draw import figure
from robustbench_seg.report.names import metric_name, task_name
from robustbench_seg.report.style import Look, looks
from robustbench_seg.report.views import View
from robustbench_seg.results.rows import unique

_AXIS_TEXTS = {
    "epsilon": "over the requested ε: the RMS of noise, the largest change of any pixel value for L∞ attacks",
    "snr": "over the signal-to-noise ratio realised after clipping, where equal means equal power",
}


@dataclass(frozen=True)
class FigureFile:
    """A figure: the name of its file, the (data set, task) it is about, its caption, and the PNG."""

    name: str
    place: tuple[str, str]
    caption: str
    png: bytes


def figures(views: Sequence[View]) -> list[FigureFile]:
    """All figures of these views; a model looks the same in all of them."""
    styles = looks(unique([model for view in views for model in view.models]))
    stems = file_stems([f"{view.dataset}_{view.task}" for view in views])
    return [
        FigureFile(f"q_{stem}_{suffix}.png", (view.dataset, view.task), caption, png(partial(figure, plot)) or b"")
        for stem, view in zip(stems, views, strict=True)
        for suffix, caption, plot in _plots(view, styles)
    ]


def _plots(view: View, styles: Mapping[str, Look]) -> Iterator[tuple[str, str, Plot]]:
    """File suffix, caption and plot of each figure of a view."""
    what = f"Q of {metric_name(view.task, view.metric)} ({task_name(view.task)} on {view.dataset})"
    own, other = view.curves(own=True), view.curves(own=False)
    for axis in AXES if own else ():
        yield axis.key, _caption(what, "all perturbations, one panel per model", axis), overview(view, axis, styles)
    for axis in AXES if own and len(view.models) > 1 else ():
        text = _caption(what, "the models against each other, one panel per perturbation", axis)
        yield f"by_perturbation_{axis.key}", text, by_perturbation(view, axis, styles, own=True)
    if other:
        text = _caption(what, "the attacked task is another one than the measured", AXES[0])
        yield "other_tasks_attacked", text, by_perturbation(view, AXES[0], styles, own=False)


def _caption(what: str, shown: str, axis: Axis) -> str:
    return f"{what}: {shown}, {_AXIS_TEXTS[axis.key]}. Bands are 95 % intervals."


def file_stems(names: Sequence[str]) -> list[str]:
    """File names for names, distinct even where they differ in special characters only."""
    plain = [re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._") or "figure" for name in names]
    return [stem if plain.count(stem) == 1 else f"{stem}_{i}" for i, stem in enumerate(plain)]
