"""What hiding a class in one task does to that class in every other (UniNet 2021, table 3)."""

from __future__ import annotations

from collections.abc import Mapping

from robustbench_seg.report.cells import DASH, Cell, Line, Table, ratio_cell, share_cell
from robustbench_seg.report.outcomes import Outcome, outcome_of, outcomes
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Part, Section
from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.names import class_metric_name, metric_text, task_name
from robustbench_seg.results.rows import Row, unique

_INTRO = (
    "The attack fills the class in by its surroundings in one task's prediction. Measured is that class alone, in "
    "every task, over the images whose clean prediction has it. The more a task drops that was not attacked, the more "
    "it depends on the other one. Of the hidden pixels, those changed that are no longer predicted as they were; those "
    "reached their target that became like their surroundings (in depth: within a factor of 1.25)."
)


def section(study: Study) -> Section | None:
    """A table for every hidden class; those at other ε are folded."""
    reached = outcomes(study.outcomes)
    shown = [hiding_table(sweep.chosen, reached) for sweep in study.hidings]
    folded = [hiding_table(matrix, reached) for sweep in study.hidings for matrix in sweep.others]
    parts = [Part(tables=shown, folded=folded)]
    return Section("hiding", "Hiding a class", "Hiding a class", [_INTRO], parts) if shown else None


def hiding_table(hiding: Matrix, reached: Mapping[CellKey, Outcome]) -> Table:
    """Tasks by what was attacked: clean, attacked with its ratio; at the end what was reached, and the realised SNR."""
    targets = hiding.objectives
    lines = [
        Line(
            task_name(task),
            ", ".join(unique([class_metric_name(task, r.metric) for r in hiding.cells.values() if r.task == task])),
            tuple(cell for target in targets for cell in _cells(hiding.cells.get((target, task)))),
        )
        for task in hiding.tasks
    ]
    snr = Line("realised SNR", "", tuple(Cell(text) for target in targets for text in ("", _snr(hiding, target))))
    outcome = [_outcome(hiding, target, reached) for target in targets]
    shares = Line("targets: changed, reached", "", tuple(cell for cells in outcome for cell in cells))
    lines += [shares] if any(cell.main != DASH for cell in shares.cells) else []
    heads = ("clean", "ratio, attacked") * len(targets)
    groups = tuple((f"hidden from {task_name(target)}", 2) for target in targets)
    where = f"{hiding.setting.where}: {hiding.subject} hidden, {hiding.how}"
    return Table(where, "measured on that class", heads, (*lines, snr), groups)


def _cells(row: Row | None) -> tuple[Cell, Cell]:
    clean = DASH if row is None or row.clean is None else metric_text(row.task, row.metric, row.clean)
    return Cell(clean), ratio_cell(row)


def _outcome(hiding: Matrix, target: str, reached: Mapping[CellKey, Outcome]) -> tuple[Cell, Cell]:
    """The shares of hidden pixels that changed and that became like their surroundings."""
    outcome = outcome_of((row for row in hiding.cells.values() if row.aim == target), reached)
    return (Cell(DASH), Cell(DASH)) if outcome is None else (share_cell(outcome.changed), share_cell(outcome.reached))


def _snr(hiding: Matrix, target: str) -> str:
    known = [r.snr_db for r in hiding.cells.values() if r.aim == target and r.snr_db is not None]
    return f"{known[0]:.1f} dB" if known else DASH
