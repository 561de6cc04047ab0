"""The Q curves of a run: which figures there are, and their captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from robustbench_seg.report.cells import DOUBTED, NOT_BELIEVED
from robustbench_seg.report.curves import AXES, Axis, Plot, by_perturbation, overview
from robustbench_seg.report.draw import figure
from robustbench_seg.report.section import Drawing, FigureFile, drawn
from robustbench_seg.report.style import Look, looks
from robustbench_seg.report.views import View
from robustbench_seg.results.names import metric_name, task_name
from robustbench_seg.results.rows import unique

_AXIS_TEXTS = {
    "epsilon": "over the requested ε: the RMS of noise, the largest change of any pixel value for L∞ attacks",
    "snr": "over the signal-to-noise ratio realised after clipping, where equal means equal power",
}


def figures(views: Sequence[View], caveats: Sequence[str] = ()) -> list[list[FigureFile]]:
    """The figures of each view; a model looks the same in all of them. `caveats` stand under each."""
    styles = looks(unique([model for view in views for model in view.models]))
    drawings = [list(_drawings(view, styles, caveats)) for view in views]
    files = iter(drawn("q", [drawing for each in drawings for drawing in each]))
    return [[file for _ in each for file in next(files)] for each in drawings]


def _drawings(view: View, styles: Mapping[str, Look], caveats: Sequence[str]) -> Iterator[Drawing]:
    what = f"Q of {metric_name(view.task, view.metric)} ({task_name(view.task)} on {view.dataset})"
    for suffix, shown, axis, plot in _plots(view, styles):
        caption = f"{what}: {shown}, {_AXIS_TEXTS[axis.key]}. Bands are 95 % intervals."
        doubts = unique([name for row in view.rows for name in row.doubts])
        marked = [f"{DOUBTED} {NOT_BELIEVED}: {', '.join(doubts)} (see the checks)"] if doubts else []
        caption = " ".join((caption, *(f"{text}." for text in (*marked, *caveats))))
        yield Drawing(f"{view.dataset}_{view.task}_{suffix}", caption, partial(figure, plot))


def _plots(view: View, styles: Mapping[str, Look]) -> Iterator[tuple[str, str, Axis, Plot]]:
    """What distinguishes the file, what is shown, over which axis, and the plot, for each figure of a view."""
    has_own = bool(view.curves(own=True))
    for axis in AXES if has_own else ():
        yield axis.key, "all perturbations, one panel per model", axis, overview(view, axis, styles)
    for axis in AXES if has_own and len(view.models) > 1 else ():
        text = "the models against each other, one panel per perturbation"
        yield f"by_perturbation_{axis.key}", text, axis, by_perturbation(view, axis, styles, own=True)
    if view.curves(own=False):
        text = "the attacked task is another one than the measured"
        yield "other_tasks_attacked", text, AXES[0], by_perturbation(view, AXES[0], styles, own=False)
