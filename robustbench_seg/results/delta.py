"""How much better or worse a model is than others in several tasks at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

from robustbench_seg.results.names import curve_metric, metric_of


def delta(values: Mapping[str, float], reference: Mapping[str, float]) -> float | None:
    """The mean relative gain in per cent over the tasks that the reference has; positive is better.

    Both map a task to its curve metric. As Δ_MTL of Vandenhende 2020 and UniNet 2021, table 1; None where the reference
    has no task of these.
    """
    gains = [
        (1 if metric_of(task, curve_metric(task)).higher_is_better else -1)
        * (value - reference[task])
        / reference[task]
        for task, value in values.items()
        if task in reference
    ]
    return 100 * math.fsum(gains) / len(gains) if gains else None
