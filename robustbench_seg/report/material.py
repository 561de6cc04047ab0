"""What the sections of a page are made of: a run, its views and figures, and the differences between its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from robustbench_seg.report.figures import FigureFile, figures
from robustbench_seg.report.views import View, views
from robustbench_seg.results.differences import Comparison
from robustbench_seg.results.run import RunLike


@dataclass(frozen=True)
class Material:
    """A run, or several as one; `compared` where models of several runs are."""

    run: RunLike
    compared: Comparison | None = None

    @cached_property
    def views(self) -> Sequence[View]:
        """What is shown together, by data set and task."""
        return views(self.run.rows)

    @cached_property
    def figures(self) -> Sequence[FigureFile]:
        """The Q curves."""
        return figures(self.views)
