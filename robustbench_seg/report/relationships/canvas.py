"""What the figures of relationships share: colours by group, names that fit, and PNG bytes."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from robustbench_seg.report.legend import short
from robustbench_seg.report.names import task_name
from robustbench_seg.report.relationships.objectives import GEOMETRIC, SEMANTIC, UNGROUPED, group
from robustbench_seg.report.style import settings

WIDTH = 10.4
"""Inches: the width of a full figure, as in the report."""

SHADES = {SEMANTIC: "#e3eff7", GEOMETRIC: "#fdeedd", UNGROUPED: "#f1f1f1"}
"""Backgrounds of the regions of semantic, geometric and other tasks."""

COLOURS = {
    SEMANTIC: ("#0072b2", "#56b4e9", "#004266", "#7fa8d9", "#1b9e9e"),
    GEOMETRIC: ("#d55e00", "#f0b429", "#7a3300"),
    UNGROUPED: ("#4d4d4d", "#a6a6a6", "#7b3294"),
}
"""Blues attack semantic tasks, oranges geometric ones, greys both or neither."""


def png(make: Callable[[], Figure | None]) -> bytes | None:
    """The figure as PNG, None where there is none; the same bytes for the same numbers and the same matplotlib."""
    buffer = io.BytesIO()
    with settings(), warnings.catch_warnings():
        # A model may be called in a script that the font lacks: boxes in a figure are no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = make()
        if figure is None:
            return None
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def titled(title: str, width: float = WIDTH) -> Figure:
    """An empty figure with a title on the left, as wide as it says in inches."""
    canvas = Figure(layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.08))
    canvas.suptitle(short(title, int(width * 10.5)), x=0.012, ha="left", fontweight="bold", fontsize=11)
    return canvas


def wrapped(task: str) -> str:
    """A task's name in short lines."""
    return textwrap.fill(task_name(task), 13)


def shade_regions(axes: Axes, tasks: Sequence[str]) -> None:
    """A background a group behind tasks that stand at 0, 1, ... on the horizontal axis."""
    for at, task in enumerate(tasks):
        axes.axvspan(at - 0.5, at + 0.5, color=SHADES[group(task)], linewidth=0, zorder=0)
