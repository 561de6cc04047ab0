"""The interval of a difference of means over trainings with other seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95


def from_seeds(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of mean(second) - mean(first); None below two on a side.

    Groups of one size are paired in the order given: trainings that share a seed share what it draws. Pairs that share
    nothing are as good as any. Others are compared as they are (`welch`).
    """
    return paired(first, second) if len(first) == len(second) else welch(first, second)


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of second - first, pair by pair (Student 1908); None below two pairs."""
    if len(first) < 2:
        return None
    differences = np.subtract(second, first)
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(len(differences))
    half = float(stdtrit(len(differences) - 1, (1 + LEVEL) / 2)) * error
    return mean - half, mean + half


def welch(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of mean(second) - mean(first) with unequal variances (Welch 1947); None below two on a side.

    The degrees of freedom are Satterthwaite's (1946). Where no side varies the interval is the difference itself.
    """
    if min(len(first), len(second)) < 2:
        return None
    difference = float(np.mean(second) - np.mean(first))
    errors = [float(np.var(side, ddof=1)) / len(side) for side in (first, second)]
    total = math.fsum(errors)
    if not total:
        return difference, difference
    freedom = total**2 / math.fsum(e**2 / (len(s) - 1) for e, s in zip(errors, (first, second), strict=True))
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(total)
    return difference - half, difference + half
