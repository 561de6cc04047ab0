"""How many images fit into a budget of minutes."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.plan import Plan


def refuse_budget(minutes: float) -> None:
    """UsageError where it is no time to work in."""
    if not 0 < minutes < math.inf:
        raise UsageError(f"budget {minutes:g} must be a number of minutes above 0")


def images_within(minutes: float, plan: Plan, seconds: Callable[[Plan], float]) -> int:
    """Return how many images of every pair fit, the first ones; `seconds` says how long a plan takes.

    Raises UsageError where not even one does.
    """
    most = max(pair.n_images for pair in plan.pairs)
    fit = bisect.bisect_right(range(1, most + 1), 60 * minutes, key=lambda count: seconds(plan.first(count)))
    if not fit:
        needed = seconds(plan.first(1)) / 60
        raise UsageError(
            f"budget {minutes:g}: even one image takes about {needed:.2g} minutes; give more, or fewer attacks"
        )
    return fit
