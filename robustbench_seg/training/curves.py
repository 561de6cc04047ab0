"""The figure of a training: loss and each task's curve metric over the steps, from its log."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, png, titled
from robustbench_seg.results.names import metric_name
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.state import Row

CURVES = "curves.png"
_PANEL, _HEIGHT = 2.9, 2.3
"""Inches: a panel's width, and a figure's height."""


def write_curves(log: Path, path: Path, title: str) -> None:
    """Draws log.csv as a PNG."""
    with log.open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    path.write_bytes(png(lambda: _figure(rows, title)) or b"")


def _figure(rows: Sequence[Row], title: str) -> Figure:
    known = {f"{task}_{TASKS.get(task).curve}": task for task in TASKS}
    tasks = [known[key] for key in rows[0] if key in known]
    width = min(WIDTH, _PANEL * (1 + len(tasks)))
    canvas = titled(title, width)
    panels = canvas.subplots(1, 1 + len(tasks), squeeze=False)[0]
    _panel(panels[0], rows, "loss", "training loss")
    for axes, task in zip(panels[1:], tasks, strict=True):
        metric = TASKS.get(task).curve
        _panel(axes, rows, f"{task}_{metric}", f"{task.replace('_', ' ')} {metric_name(task, metric)}")
    canvas.set_size_inches(width, _HEIGHT)
    return canvas


def _panel(axes: Axes, rows: Sequence[Row], key: str, name: str) -> None:
    axes.plot([row["step"] for row in rows], [row[key] for row in rows], color="#1a1a1a", marker="o")
    axes.set_title(name, fontsize=8.5, pad=6)
    axes.set_xlabel("step")
    known = [row[key] for row in rows if math.isfinite(row[key])]
    axes.set_ylim(0, 1.08 * max(known, default=1.0) or 1.0)
