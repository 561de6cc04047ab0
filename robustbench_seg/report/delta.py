"""The multi-task performance of a model against single-task models."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple


class Against(NamedTuple):
    """A task's value, that of its single-task model, and the metric's direction."""

    value: float
    single: float
    higher_is_better: bool


def delta_mtl(tasks: Sequence[Against]) -> float:
    """The mean relative gain in per cent over the tasks, positive is better (Vandenhende 2020; UniNet 2021, table 1).

    Raises ValueError without a task.
    """
    return 100 * fmean((1 if better else -1) * (value - single) / single for value, single, better in tasks)
