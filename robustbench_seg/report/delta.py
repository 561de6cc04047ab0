"""The multi-task performance of a model against single-task models."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    if not tasks:
        raise ValueError("no task to compare with its single-task model")
    gains = [(1 if one.higher_is_better else -1) * (one.value - one.single) / one.single for one in tasks]
    return 100 * math.fsum(gains) / len(gains)
