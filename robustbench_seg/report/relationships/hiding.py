"""What hiding a class in one task does to that class in every other (UniNet 2021, table 3)."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.report.cells import DASH, Cell, Line, Table, ratio_cell
from robustbench_seg.report.names import class_metric_name, metric_text, task_name
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Part, Section
from robustbench_seg.results.rows import Row, unique

_INTRO = (
    "The attack fills the class in by its surroundings in one task's prediction. Measured is that class alone, in "
    "every task, over the images whose clean prediction has it. The more a task drops that was not attacked, the more "
    "it depends on the other one."
)


def section(study: Study) -> Section | None:
    """A table for every hidden class; those at other ε are folded."""
    shown = [hiding_table(sweep.chosen) for sweep in study.hidings]
    folded = [hiding_table(matrix) for sweep in study.hidings for matrix in sweep.others]
    parts = [Part(tables=shown, folded=folded)]
    return Section("hiding", "Hiding a class", "Hiding a class", [_INTRO], parts) if shown else None


def hiding_table(hiding: Matrix) -> Table:
    """Tasks by what was attacked: clean, attacked with its ratio, and in the last line the realised SNR."""
    targets = hiding.objectives
    lines = [
        Line(task_name(task), _metrics(hiding, task), _pairs([_cells(hiding, target, task) for target in targets]))
        for task in hiding.tasks
    ]
    snr = Line("realised SNR", "", _pairs([(Cell(""), Cell(_snr(hiding, target))) for target in targets]))
    heads = ("clean", "ratio, attacked") * len(targets)
    groups = tuple((f"hidden from {task_name(target)}", 2) for target in targets)
    where = f"{hiding.setting.where}: {hiding.subject} hidden, {hiding.how}"
    return Table(where, "measured on that class", heads, (*lines, snr), groups)


def _pairs(cells: Sequence[tuple[Cell, Cell]]) -> tuple[Cell, ...]:
    return tuple(cell for pair in cells for cell in pair)


def _cells(hiding: Matrix, target: str, task: str) -> tuple[Cell, Cell]:
    row = hiding.cells.get((target, task))
    clean = DASH if row is None or row.clean is None else metric_text(row.task, row.metric, row.clean)
    return Cell(clean), ratio_cell(row)


def _metrics(hiding: Matrix, task: str) -> str:
    return ", ".join(unique([class_metric_name(task, row.metric) for row in _rows(hiding) if row.task == task]))


def _snr(hiding: Matrix, target: str) -> str:
    known = [row.snr_db for row in _rows(hiding) if row.aim == target and row.snr_db is not None]
    return f"{known[0]:.1f} dB" if known else DASH


def _rows(hiding: Matrix) -> Sequence[Row]:
    return list(hiding.cells.values())
