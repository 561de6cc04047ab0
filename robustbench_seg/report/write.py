"""Writing reports: figures and one page into a run's folder, or a comparison of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.report.page import page
from robustbench_seg.report.section import FigureFile, Material
from robustbench_seg.results.differences import compare, differences_table
from robustbench_seg.results.files import write_bytes, write_table, write_text
from robustbench_seg.results.gains import gains_of, gains_table
from robustbench_seg.results.groups import parse_groups
from robustbench_seg.results.merge import merge, merged_summary
from robustbench_seg.results.rows import unique
from robustbench_seg.results.run import Run


def write_report(run: Run, out: Path | None = None) -> Path:
    """Write figures/*.png and report.html into `out` (default: the run's folder); the path of the page."""
    title = f"Robustness report: {run.folder.resolve().name}"
    return write_page(*page(Material(run), title), (out or run.folder) / "report.html")


def write_comparison(runs: Sequence[Run], out: Path, groups: Sequence[str] = (), tasks: Sequence[str] = ()) -> Path:
    """Write figures/*.png, comparison.csv, comparison.html, differences.csv and gains.csv over models of several runs.

    `groups` are trainings of one recipe with other seeds, NAME=MODEL,MODEL,...; differences are written where two
    groups, or models alone, have a number in common, and Δ against the first where they have two tasks, over `tasks`
    where these are given. The path of the page. UsageError for no run, a bad group or bad tasks.
    """
    if not runs:
        raise UsageError("no run to compare; give at least one run folder")
    merged = merge(runs, out)
    parsed = parse_groups(groups, unique([row.model for row in merged.rows]))
    compared, gains = compare(runs, parsed), gains_of(runs, parsed, tasks)
    count = f"{len(runs)} run" + ("s" if len(runs) > 1 else "")
    title = f"Robustness comparison of {count}"
    path = write_page(*page(Material(merged, compared, gains), title), out / "comparison.html")
    write_table(merged_summary(runs), out / "comparison.csv")
    if compared.differences:
        write_table(differences_table(compared.differences), out / "differences.csv")
    if gains.gains:
        write_table(gains_table(gains.gains), out / "gains.csv")
    return path


def write_page(html: str, figures: Sequence[FigureFile], path: Path) -> Path:
    """Write a page, and its figures into the folder `figures` beside it; InputError where it cannot be."""
    folder = path.parent / "figures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder '{folder}' cannot be made: {error.strerror}; give another -o") from error
    for figure in figures:
        write_bytes(figure.png, folder / figure.name)
    write_text(html, path)
    return path
