"""Learning-rate factors as pure functions of the step, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Callable

from robustbench_seg.training.recipe import ScheduleRecipe

_WARMUP = 0.15


def factor(recipe: ScheduleRecipe, step: int, steps: int) -> float:
    """What the peak learning rate is multiplied by at `step` of `steps`."""
    return _SCHEDULES[recipe.name](recipe, step / steps)


def _onecycle(recipe: ScheduleRecipe, done: float) -> float:
    """Cosine from 1/25 to 1 over the first 15 %, then cosine to 1e-3 (Smith 2018)."""
    if done < _WARMUP:
        return _cosine(0.04, 1.0, done / _WARMUP)
    return _cosine(1.0, 1e-3, (done - _WARMUP) / (1 - _WARMUP))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


_SCHEDULES: dict[str, Callable[[ScheduleRecipe, float], float]] = {
    "onecycle": _onecycle,
    "step": lambda recipe, done: recipe.decay ** sum(done >= at for at in recipe.at),
    "constant": lambda recipe, done: 1.0,
}
