"""A finished run as the library calls return it: a results.Run that draws itself."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from robustbench_seg.report import corruptions
from robustbench_seg.report.figures import figures
from robustbench_seg.report.pictures import data_uri
from robustbench_seg.report.relationships.effects import COLUMNS
from robustbench_seg.report.relationships.page import page
from robustbench_seg.report.relationships.study import opened_study
from robustbench_seg.report.section import FigureFile
from robustbench_seg.report.views import views
from robustbench_seg.report.write import write_report
from robustbench_seg.results import run as results
from robustbench_seg.results.rows import table

_SHOWN_ROWS = 40
"""Of the table that a notebook shows."""


class Figures(list[FigureFile]):
    """Figures that a notebook shows; each has `.name`, `.caption` and `.png` (bytes)."""

    def _repr_html_(self) -> str:
        return "".join(f'<img src="{data_uri(file.png)}" style="max-width:100%"><p>{file.caption}</p>' for file in self)


@dataclass(frozen=True, eq=False)
class Relationships:
    """What attacking one task does to the others: `table` has one row per attacked objective, ε and measured task."""

    table: pd.DataFrame
    figures: Figures

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False) + self.figures._repr_html_()


class Run(results.Run):
    """A run folder: `.summary`, `.classes` and `.costs` are pandas tables, `.info` is run.json."""

    def plot(self) -> Figures:
        """The Q curves: the retained share of each task's metric over ε, the signal-to-noise ratio and severities."""
        shown = views(self.rows)
        graded = corruptions.figures([view for view in shown if view.graded])
        return Figures(file for files in (*figures(shown), *graded) for file in files)

    def report(self) -> Path:
        """Write the page of the run; its path."""
        return write_report(self)

    def _repr_html_(self) -> str:
        page = self.report().resolve()
        where = f'<p><a href="{page.as_uri()}">{escape(str(page))}</a></p>'
        return self.summary.to_html(index=False, max_rows=_SHOWN_ROWS) + self.plot()._repr_html_() + where

    def relationships(self, epsilon: float | None = None) -> Relationships:
        """What attacking one task does to the others, with the figures at `epsilon` (units of 1/255) first.

        Raises UsageError where no model has two tasks measured, or no attack with an objective was run.
        """
        with opened_study([self], self.folder, epsilon) as study:
            return Relationships(table(study.effects, COLUMNS), Figures(page(study, "")[1]))
