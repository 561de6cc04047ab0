"""Step sizes of iterative attacks: a number, a share of epsilon, or what suits the number of steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from robustbench_seg.errors import UsageError

AUTOMATIC = 0.0
"""The step size that stands for the share of epsilon that suits the number of steps."""
_SHARE = re.compile(r"(.+?)\s*eps")


@dataclass(frozen=True)
class Share:
    """A step size that is a share of epsilon; protocols and `--set` write it as in `alpha = "0.25 eps"`."""

    of_epsilon: float

    def __str__(self) -> str:
        return f"{self.of_epsilon:g} eps"

    def __repr__(self) -> str:
        return repr(str(self))


StepSize = float | Share
"""In units of 1/255, or a share of epsilon."""


def read_step_size(value: Any) -> StepSize:
    """A step size as protocols and the command line write it; UsageError where it is none."""
    share = _SHARE.fullmatch(value) if isinstance(value, str) else None
    try:
        return Share(float(share[1])) if share else checked(float(value))
    except (TypeError, ValueError):
        raise UsageError(f"alpha {value!r} is no step size; write a number, or a share as in '0.25 eps'") from None


def checked(alpha: StepSize) -> StepSize:
    """The same; UsageError where it is negative or not finite, or a share of 0."""
    size = alpha.of_epsilon if isinstance(alpha, Share) else alpha
    if not 0 <= size < math.inf or (isinstance(alpha, Share) and not size):
        raise UsageError(
            f"alpha {alpha} must be a number >= 0 (in units of 1/255; 0 is what suits the steps), or a share > 0 of "
            "epsilon as in '0.25 eps'"
        )
    return alpha


def share_that_suits(steps: int) -> float:
    """The step size, as a share of epsilon, that suits so many steps."""
    return max(0.25, 2.5 / steps)


def step_size(alpha: StepSize, epsilon: float, steps: int) -> float:
    """The size of a step in units of 1/255, of so many at this epsilon."""
    if isinstance(alpha, Share):
        return alpha.of_epsilon * epsilon
    return alpha or share_that_suits(steps) * epsilon
