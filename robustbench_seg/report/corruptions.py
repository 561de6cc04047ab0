"""Corruptions at their severities: the section of a page, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from robustbench_seg.report.cells import DASH, Cell, Line, Table, doubted, ratio_cell
from robustbench_seg.report.curves import by_corruption
from robustbench_seg.report.draw import figure
from robustbench_seg.report.section import Drawing, FigureFile, Material, Part, Section, drawn
from robustbench_seg.report.style import Look, looks
from robustbench_seg.report.tables import by_severity
from robustbench_seg.report.views import View
from robustbench_seg.results.corruptions import MEAN
from robustbench_seg.results.keys import FLOAT, attack_name
from robustbench_seg.results.names import attack_title, metric_name, metric_text, short_task_name, task_name
from robustbench_seg.results.rows import CorruptionRow, Row, unique

MEANING = (
    "Mean Q is the mean of Q over the severities of each corruption, then over corruptions. The corruption error CE is "
    "the sum of a model's errors over severities (1 − mIoU, or RMSE as it is) divided by that of the baseline, in per "
    "cent: below 100 it errs less. mCE is its mean over corruptions (Hendrycks and Dietterich 2019). A better clean "
    "metric alone lowers CE; Q asks what is lost."
)
_READING = (
    "Severities are those of ImageNet-C, made for images of 224×224; its frost is left out. Labels stay where they "
    "are, also where a corruption moves pixels. Under each number stands its 95 % interval."
)
_FIGURE = "over the severities of ImageNet-C, one panel per corruption. Bands are 95 % intervals."
_CAPTION = "Corruptions: means over their severities and kinds, with 95 % intervals"
_HEADS = ("mean Q", "mCE", "mCE against", "clean", "images", "metric")


def section(material: Material) -> Sequence[Section]:
    """One part per task and data set; none where no corruption was run at a severity."""
    views = [view for view in material.views if view.graded]
    if not views:
        return []
    summaries = material.run.corruption_rows
    parts: list[Part] = []
    for view, files in zip(views, figures(views), strict=True):
        every = [severity_table(view, model, summaries) for model in unique([row.model for row in view.graded])]
        parts.append(Part(view.title, files, [_kinds_table(view, summaries)]))
        parts.append(Part(f"{view.title}: every severity", tables=every, is_open=False))
    return [Section("corruptions", "Corruptions", "Corruptions", [_READING], parts)]


def figures(views: Sequence[View]) -> list[list[FigureFile]]:
    """The figure of each view whose rows are of corruptions."""
    styles = looks(unique([model for view in views for model in view.models]))
    return drawn("corruptions", [_drawing(view, styles) for view in views])


def summary_table(rows: Sequence[CorruptionRow]) -> Table:
    """The means over all corruptions, one row per model and task."""
    lines = [
        Line(
            row.model,
            short_task_name(row.task),
            (
                *_cells(row),
                Cell(row.baseline),
                Cell(metric_text(row.task, row.metric, row.clean)),
                Cell(_images(row)),
                Cell(f"{task_name(row.task).capitalize()} on {row.dataset}: {metric_name(row.task, row.metric)}"),
            ),
        )
        for row in rows
        if row.corruption == MEAN
    ]
    return Table(_CAPTION, "model", _HEADS, tuple(lines))


def severity_table(
    view: View, model: str, summaries: Sequence[CorruptionRow], cell: Callable[[Row | None], Cell] = ratio_cell
) -> Table:
    """One model's corruptions by severity, and what is said of each over all of them."""
    rows = [row for row in view.graded if row.model == model]
    place = (model, view.dataset, view.task)
    known = {row.corruption: row for row in summaries if (row.model, row.dataset, row.task) == place}
    clean = view.clean(model)
    value = DASH if clean is None or clean.value is None else metric_text(view.task, view.metric, clean.value)
    baseline = next((row.baseline for row in known.values()), model)
    caption = (
        f"{model} on {view.dataset}: Q of {metric_name(view.task, view.metric)} by severity, {value} on clean images; "
        f"CE against {baseline}"
    )
    shown = by_severity(caption, rows, cell)
    blank = Cell("")
    # What is summed up are images as the corruption made them.
    means = [
        _cells(known.get(kind)) if scored == FLOAT else (blank, blank)
        for kind, scored in dict.fromkeys((attack_name(row.attack), row.scored) for row in rows)
    ]
    lines = [replace(line, cells=(*line.cells, *cells)) for line, cells in zip(shown.lines, means, strict=True)]
    lines.append(Line(_title(MEAN), "", (*[blank] * len(shown.heads), *_cells(known.get(MEAN)))))
    return replace(shown, heads=(*shown.heads, "mean Q", "CE"), lines=tuple(lines))


def _kinds_table(view: View, summaries: Sequence[CorruptionRow]) -> Table:
    """Mean Q and CE of every corruption (rows) and model (columns)."""
    mine = [row for row in summaries if (row.dataset, row.task) == (view.dataset, view.task)]
    models, known = unique([row.model for row in mine]), {(row.corruption, row.model): row for row in mine}
    lines = [
        Line(_title(kind), "", tuple(cell for model in models for cell in _cells(known.get((kind, model)))))
        for kind in sorted(unique([row.corruption for row in mine]), key=MEAN.__eq__)
    ]
    groups = tuple((model, 2) for model in models)
    baseline = ", ".join(unique([row.baseline for row in mine]))
    caption = f"Mean over severities of Q of {metric_name(view.task, view.metric)}, and CE against {baseline}"
    return Table(caption, "corruption", ("mean Q", "CE") * len(models), tuple(lines), groups)


def _title(kind: str) -> str:
    return "mean over corruptions" if kind == MEAN else attack_title(kind)


def _cells(row: CorruptionRow | None) -> tuple[Cell, Cell]:
    return _q_cell(row), _ce_cell(row)


def _drawing(view: View, styles: Mapping[str, Look]) -> Drawing:
    what = f"Q of {metric_name(view.task, view.metric)} ({task_name(view.task)} on {view.dataset})"
    return Drawing(f"{view.dataset}_{view.task}", f"{what} {_FIGURE}", lambda: figure(by_corruption(view, styles)))


def _q_cell(row: CorruptionRow | None) -> Cell:
    if row is None:
        return Cell(DASH)
    bounds = () if row.q_low is None else (f"[{row.q_low:.3f}, {row.q_high:.3f}]",)
    return Cell(f"{row.q:.3f}", (*bounds, *filter(None, [doubted(row)])), min(row.q, 1.0))


def _ce_cell(row: CorruptionRow | None) -> Cell:
    """The error relative to the baseline in per cent."""
    if row is None or row.ce is None:
        return Cell(DASH)
    if row.model == row.baseline:
        return Cell("100", ("the baseline",))
    bounds = (
        () if row.ce_low is None or row.ce_high is None else (f"[{100 * row.ce_low:.1f}, {100 * row.ce_high:.1f}]",)
    )
    return Cell(f"{100 * row.ce:.1f}", bounds)


def _images(row: CorruptionRow) -> str:
    return str(row.n_images) if row.status == "ok" else f"{row.n_images}, others failed"
