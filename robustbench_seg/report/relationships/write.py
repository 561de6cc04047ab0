"""Writing what relates the tasks: figures, relationships.csv and relationships.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustbench_seg.errors import UsageError
from robustbench_seg.report.relationships.effects import COLUMNS
from robustbench_seg.report.relationships.page import page
from robustbench_seg.report.relationships.study import opened_study
from robustbench_seg.report.write import write_page
from robustbench_seg.results.files import write_table
from robustbench_seg.results.merge import run_names
from robustbench_seg.results.rows import table
from robustbench_seg.results.run import Run


def write_relationships(runs: Sequence[Run], out: Path | None = None, reference: float | None = None) -> Path:
    """Write figures/relationships_*.png, relationships.csv and relationships.html; the path of the page.

    `out` is by default the folder of the first run, `reference` the ε shown first (None: 1, and 2 for hiding, as in
    UniNet 2021; the nearest that was run). Models of one name in several runs are named with their run. Raises
    UsageError where no attack with an objective or no model with two tasks was run.
    """
    if not runs:
        raise UsageError("no run to relate tasks in; give at least one run folder")
    folder = out or runs[0].folder
    title = f"Task relationships: {', '.join(run_names([run.folder for run in runs]))}"
    with opened_study(runs, folder, reference) as study:
        path = write_page(*page(study, title), folder / "relationships.html")
    write_table(table(study.effects, COLUMNS), folder / "relationships.csv")
    return path
