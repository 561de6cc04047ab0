"""What the figures of relationships share: one per matrix, colours by group, and names that fit."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import GEOMETRIC, SEMANTIC, UNGROUPED
from robustbench_seg.report.section import Drawing, FigureFile, drawn
from robustbench_seg.results.names import task_name

SHADES = {SEMANTIC: "#e3eff7", GEOMETRIC: "#fdeedd", UNGROUPED: "#f1f1f1"}
"""Backgrounds of the regions of semantic, geometric and other tasks."""

COLOURS = {
    SEMANTIC: ("#0072b2", "#56b4e9", "#004266", "#7fa8d9", "#1b9e9e"),
    GEOMETRIC: ("#d55e00", "#f0b429", "#7a3300"),
    UNGROUPED: ("#4d4d4d", "#a6a6a6", "#7b3294"),
}
"""Blues attack semantic tasks, oranges geometric ones, greys both or neither."""

MISSING = "#777777"
"""The dash that stands for a missing number."""


def matrix_figures(
    kind: str, matrices: Iterable[Matrix], text: str, make: Callable[[Matrix], Figure | None]
) -> list[list[FigureFile]]:
    """The figure of each matrix with its title and `text` as caption; no file where `make` draws nothing."""
    drawings = [
        Drawing("_".join(matrix.setting), f"{matrix.title}. {text}", partial(make, matrix)) for matrix in matrices
    ]
    return drawn(f"relationships_{kind}", drawings)


def task_axis(axes: Axes, tasks: Sequence[str]) -> None:
    """Put tasks at 0, 1, ... of the horizontal axis, under their names in short lines."""
    axes.set_xlim(-0.5, len(tasks) - 0.5)
    axes.set_xticks(range(len(tasks)), [wrapped(task) for task in tasks])
    axes.tick_params(axis="x", length=0, labelbottom=True)


def wrapped(task: str) -> str:
    """A task's name in short lines."""
    return textwrap.fill(task_name(task), 13)
