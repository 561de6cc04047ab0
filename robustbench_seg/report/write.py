"""Writing reports: figures and one page into a run's folder, or a comparison of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.harness.run import write_table, write_text
from robustbench_seg.report.figures import FigureFile, figures
from robustbench_seg.report.merge import comparison_table, merge
from robustbench_seg.report.page import page
from robustbench_seg.report.rows import Run, rows
from robustbench_seg.report.views import views


def write_report(run: Run, out: Path | None = None) -> Path:
    """Write figures/*.png and report.html into `out` (default: the run's folder); the path of the page."""
    return _write(run, out or run.folder, "report.html", f"Robustness report: {run.folder.resolve().name}")


def write_comparison(runs: Sequence[Run], out: Path) -> Path:
    """Write figures/*.png, comparison.csv and comparison.html over the models of several runs; the path of the page."""
    if not runs:
        raise UsageError("no run to compare; give at least one run folder")
    path = _write(merge(runs, out), out, "comparison.html", f"Robustness comparison of {len(runs)} runs")
    write_table(comparison_table(runs), out / "comparison.csv")
    return path


def _write(run: Run, out: Path, name: str, title: str) -> Path:
    shown = views(rows(run.summary))
    drawn = figures(shown)
    folder = made_folder(out / "figures")
    for figure in drawn:
        write_png(figure, folder)
    write_text(page(run, shown, drawn, title), out / name)
    return out / name


def made_folder(folder: Path) -> Path:
    """The folder, created; InputError where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder '{folder}' cannot be made: {error.strerror}; give another -o") from error
    return folder


def write_png(figure: FigureFile, folder: Path) -> None:
    """Write one figure into the folder; InputError where it cannot be."""
    path = folder / figure.name
    try:
        path.write_bytes(figure.png)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror}; free space or give another -o") from error
