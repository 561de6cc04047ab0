"""What swapping two classes does to them: precision, losses and, for boxes, their shapes (UniNet 2021, figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.cells import DASH, Cell, Line, Table, empty, ratio_cell
from robustbench_seg.report.comparison import Comparison, Estimate, Scale, comparison_table, corrected
from robustbench_seg.report.outcomes import outcome_of, outcomes
from robustbench_seg.report.relationships.contrasts import Samples, interval_of
from robustbench_seg.report.relationships.drawing import SHADES
from robustbench_seg.report.relationships.heat import task_heads
from robustbench_seg.report.relationships.matrix import Matrix, Setting
from robustbench_seg.report.relationships.objectives import GEOMETRIC, SEMANTIC
from robustbench_seg.report.relationships.study import SHAPE, Study, swapped_classes
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.report.tables import targets
from robustbench_seg.results.names import class_metric_name, epsilon_text, metric_text, task_name
from robustbench_seg.results.rows import Row, unique
from robustbench_seg.results.sample import Sample, combined

SHAPES = "Mean width / height of boxes labelled as a swapped class, against the middle between the two clean shapes"
_INTRO = (
    "The attack pushes each of two classes to the other. For boxes it works on the class scores alone: if the losses "
    "and the shapes of the boxes change too, the detector's classes and shapes depend on each other. The mean width / "
    "height is that of the boxes labelled so: a class whose boxes stay on its own side of the middle between both "
    "clean shapes has taken its shape along (+); one whose boxes lie on the other side has not (−). What changed is no "
    "success yet: only what reached the other class was swapped. Signs are corrected for their number (Holm). The "
    "classification loss weighs a box by how well it fits, so boxes that are ruined lower it; the regression loss "
    "here is the plain GIoU loss over the locations of a class."
)


def section(study: Study) -> Section | None:
    """What targets reached, the shapes of all swaps, then figure and tables of each."""
    reached = targets([row for row in study.outcomes if swapped_classes(row.objective)])
    moved = corrected([comparison for swap in study.swaps for comparison in shapes(swap, study.samples)])
    common = [
        *([reached] if reached else ()),
        *([comparison_table(SHAPES, moved, ("after", "middle"))] if moved else ()),
    ]
    text = "Both classes before and after the swap"
    captions = [
        "; ".join(filter(None, (f"{swap_title(swap)}. {text}", swap_reached(swap, study.outcomes))))
        for swap in study.swaps
    ]
    drawings = [
        Drawing(_name(swap), f"{caption}.", partial(swap_figure, swap))
        for swap, caption in zip(study.swaps, captions, strict=True)
    ]
    parts = [
        Part(swap_title(swap), files, [swap_table(swap), *side_effects(swap, study.effects)])
        for swap, files in zip(study.swaps, drawn("relationships_swap", drawings), strict=True)
    ]
    title = "Swapping two classes"
    return Section("swapping", "Swapping classes", title, [_INTRO], [Part(tables=common), *parts]) if parts else None


def swap_title(swap: Matrix) -> str:
    """Where, what and how."""
    target = swap.subject.partition("@")[2]
    return f"{swap.setting.where}: {' ↔ '.join(swapped_classes(swap.subject))} in {task_name(target)}, {swap.how}"


def swap_reached(swap: Matrix, rows: Sequence[Row]) -> str:
    """What became of its targets; empty where that is unknown."""
    outcome = outcome_of(swap.cells.values(), outcomes(rows))
    return outcome.text if outcome else ""


def swap_metrics(swap: Matrix) -> list[str]:
    """The metrics measured of both classes, in the order of the run."""
    labels = swapped_classes(swap.subject)
    metrics = unique([metric for _, metric in swap.cells])
    return [metric for metric in metrics if all((label, metric) in swap.cells for label in labels)]


def swap_table(swap: Matrix) -> Table:
    """Before and after of each class and metric."""
    lines = [
        Line(label, class_metric_name(swap.cells[label, metric].task, metric), _cells(swap.cells[label, metric]))
        for metric in swap_metrics(swap)
        for label in swapped_classes(swap.subject)
    ]
    return Table(swap_title(swap), "class", ("before", "after", "ratio"), tuple(lines))


def side_effects(swap: Matrix, effects: Sequence[Row]) -> list[Table]:
    """The retained performance of every task as a whole under the same attack."""
    place = (swap.setting, swap.epsilon, swap.subject)
    cells = {
        (row.objective, row.task): row for row in effects if (Setting.of(row), row.epsilon, row.objective) == place
    }
    whole = Matrix(swap.setting, swap.epsilon, cells)
    line = Line("all classes", "", tuple(ratio_cell(cells[swap.subject, task]) for task in whole.tasks))
    caption = "Retained performance of every task under the same attack"
    return [Table(caption, "over", task_heads(whole), (line,))] if cells else []


def shapes(swap: Matrix, samples: Samples) -> list[Comparison]:
    """The shape of each class after the swap against the middle between both before, `expected` on its own side.

    Nothing where shapes were not measured, where one of the classes has no box, or where both have one shape.
    """
    rows = [swap.cells.get((label, SHAPE)) for label in swapped_classes(swap.subject)]
    known = [(row, row.clean, row.value) for row in rows if row and row.clean is not None and row.value is not None]
    if len(known) < 2 or known[0][1] == known[1][1]:
        return []
    middle = (known[0][1] + known[1][1]) / 2
    return [_shape(swap, row, (before, after, middle), samples(row)) for row, before, after in known]


def _shape(swap: Matrix, row: Row, widths: tuple[float, float, float], sample: Sample | None) -> Comparison:
    before, after, middle = widths
    moved = None if sample is None else combined([sample], lambda values: values[0] - middle)
    shift = interval_of(moved)
    verdicts = f"keeps the shape of {row.label}", "has the other class's shape"
    is_wider = before > middle
    return Comparison(
        row.label,
        swap.title,
        Estimate(f"{before:.3f} before", after, interval_of(sample)),
        Estimate("", middle),
        {"images": shift} if shift else {},
        verdicts if is_wider else verdicts[::-1],
        expected=1 if is_wider else -1,
        scale=Scale(),
        p_value=None if moved is None else moved.p_value,
        n_images=row.n_images,
    )


def _cells(row: Row) -> tuple[Cell, Cell, Cell]:
    before, after = (Cell(DASH if v is None else metric_text(row.task, row.metric, v)) for v in (row.clean, row.value))
    if not row.direction:
        return before, after, Cell(DASH, title="neither high nor low is better")
    if row.ratio is None:
        return before, after, empty("failed" if row.failed else "no value")
    shown = ratio_cell(row)
    # The value stands in its own column already.
    return before, after, replace(shown, small=shown.small[:-1])


def swap_figure(swap: Matrix) -> Figure | None:
    """Bars of both classes before and after, a panel per metric; mean shapes have a line at 1. None for one metric."""
    metrics = swap_metrics(swap)
    if len(metrics) < 2:
        return None
    canvas = titled(swap_title(swap))
    canvas.set_size_inches(min(max(4.6, WIDTH * len(metrics) / 4), WIDTH), 2.9)
    grid = canvas.subplots(1, len(metrics), squeeze=False)[0]
    tasks = {metric: row.task for (_, metric), row in swap.cells.items()}
    for letter, axes, metric in zip("abcdefgh", grid, metrics, strict=False):
        axes.set_title(f"({letter}) {class_metric_name(tasks[metric], metric)}", pad=7)
        _draw(axes, swap, metric)
        if metric == SHAPE:
            _mark_square(axes)
    handles, names = canvas.axes[0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside right upper")
    return canvas


def _draw(axes: Axes, swap: Matrix, metric: str) -> None:
    labels = swapped_classes(swap.subject)
    rows = [swap.cells[label, metric] for label in labels]
    sides = ("before", -0.2, "#9ecae1", [row.clean for row in rows]), ("after", 0.2, "#08519c", [r.value for r in rows])
    for name, offset, colour, values in sides:
        places = [at + offset for at in range(len(labels))]
        bars = axes.bar(places, [value or 0.0 for value in values], 0.36, color=colour, label=name, zorder=2)
        axes.bar_label(bars, [DASH if value is None else f"{value:.2f}" for value in values], fontsize=7.5, zorder=4)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.margins(y=0.12)


def _mark_square(axes: Axes) -> None:
    """The line between upright and wide boxes, and what lies on either side of it."""
    top = max(1.3, axes.get_ylim()[1])
    axes.set_ylim(0, top)
    axes.axhspan(0, 1, color=SHADES[SEMANTIC], linewidth=0, zorder=0)
    axes.axhspan(1, top, color=SHADES[GEOMETRIC], linewidth=0, zorder=0)
    axes.axhline(1, color="#1a1a1a", linewidth=1, zorder=3)


def _name(swap: Matrix) -> str:
    epsilon = "unbounded" if swap.epsilon is None else epsilon_text(swap.epsilon)
    return "_".join((*swap.setting, *swap.subject.removeprefix("swap:").split("@")[::-1], epsilon))
