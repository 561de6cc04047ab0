"""How much better or worse a model is than others in several tasks at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from robustbench_seg.results.names import curve_metric, metric_of
from robustbench_seg.tasks.base import Floats

_Number = TypeVar("_Number", float, Floats)


def relative_gain(task: str, value: _Number, reference: _Number) -> _Number:
    """The change of a task's curve metric as a share of the reference; positive is better."""
    sign = 1 if metric_of(task, curve_metric(task)).higher_is_better else -1
    return sign * (value - reference) / reference


def delta(values: Mapping[str, float], reference: Mapping[str, float]) -> float | None:
    """The mean relative gain in per cent over the tasks that the reference has; positive is better.

    Both map a task to its curve metric. As Δ_MTL of Vandenhende 2020 and UniNet 2021, table 1; None where the reference
    has no task of these.
    """
    gains = [relative_gain(task, value, reference[task]) for task, value in values.items() if task in reference]
    return 100 * math.fsum(gains) / len(gains) if gains else None
