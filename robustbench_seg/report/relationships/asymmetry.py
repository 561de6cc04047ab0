"""Which groups of tasks harm which: the contrasts of a matrix, as UniNet 2021 argues from them."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.report.cells import Cell, Line, Table, text_cells
from robustbench_seg.report.relationships.contrast import Contrast, Draws, Estimate, Side, contrast
from robustbench_seg.report.relationships.matrix import Matrix, Setting
from robustbench_seg.report.relationships.objectives import GEOMETRIC, SEMANTIC, UNGROUPED, group
from robustbench_seg.results.rows import Row

FORWARD, BACKWARD = "semantic → geometric", "geometric → semantic"
OWN_LOSSES, GROUP_LOSSES = "tasks' own losses", "group losses"

Placed = tuple[Setting, float | None, Contrast]


def individual(matrix: Matrix, draws: Draws) -> Contrast | None:
    """Own-loss attacks on semantic tasks measured on geometric ones, against the reverse."""
    forward = _crossing(matrix, SEMANTIC, GEOMETRIC)
    backward = _crossing(matrix, GEOMETRIC, SEMANTIC)
    return contrast(OWN_LOSSES, Side(FORWARD, forward), Side(BACKWARD, backward), draws)


def grouped(matrix: Matrix, draws: Draws) -> Contrast | None:
    """The semantic loss measured on geometric tasks, against the geometric loss on semantic ones."""
    forward = matrix.rows((f"group:{SEMANTIC}", task) for task in _of(matrix.tasks, GEOMETRIC))
    backward = matrix.rows((f"group:{GEOMETRIC}", task) for task in _of(matrix.tasks, SEMANTIC))
    return contrast(GROUP_LOSSES, Side(FORWARD, tuple(forward)), Side(BACKWARD, tuple(backward)), draws)


def within(matrix: Matrix, draws: Draws) -> Contrast | None:
    """Own-loss attacks measured on the other tasks of the same group, against those of the other group."""
    inside = [row for side in (SEMANTIC, GEOMETRIC) for row in _crossing(matrix, side, side)]
    across = [*_crossing(matrix, SEMANTIC, GEOMETRIC), *_crossing(matrix, GEOMETRIC, SEMANTIC)]
    return contrast("own losses", Side("same group", tuple(inside)), Side("other group", tuple(across)), draws)


MATRIX_CONTRASTS = (individual, grouped)
"""Those that ask which way the influence is stronger."""


def contrast_table(caption: str, found: Sequence[Placed], heads: tuple[str, str]) -> Table | None:
    """A line a contrast: both mean losses, their difference, the cells averaged and the method."""
    lines = [Line(f"{setting.where}, {setting.at(epsilon)}", one.title, _cells(one)) for setting, epsilon, one in found]
    columns = (*heads, "difference", "cells", "interval of the difference")
    return Table(caption, "attack", columns, tuple(lines)) if lines else None


def _cells(one: Contrast) -> tuple[Cell, ...]:
    counts = f"{len(one.first.rows)} and {len(one.second.rows)}"
    return (*map(_share, one.losses), _share(one.difference, "points"), *text_cells(counts, one.method))


def _share(estimate: Estimate, unit: str = "%") -> Cell:
    main, bracket, rest = estimate.text(unit).partition(" [")
    return Cell(main, (bracket.strip() + rest,) if bracket else ())


def _crossing(matrix: Matrix, attacked: str, measured: str) -> tuple[Row, ...]:
    pairs = [
        (source, task)
        for source in _of(matrix.attacked_tasks, attacked)
        for task in _of(matrix.tasks, measured)
        if source != task
    ]
    return tuple(matrix.rows(pairs))


def _of(tasks: Sequence[str], side: str) -> list[str]:
    assert side != UNGROUPED
    return [task for task in tasks if group(task) == side]
