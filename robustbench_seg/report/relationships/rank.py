"""Whether two matrices rank their cells alike: Spearman's rank correlation over the cells both have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import is_own

FEWEST = 4
"""Fewer common cells than this say nothing about an order."""


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation over n common cells; None with too few of them, or where all are equal."""

    rho: float | None
    n: int

    def text(self) -> str:
        """`0.83 (n = 12)`, or why there is none."""
        if self.n < FEWEST:
            return f"too few (n = {self.n})"
        return f"no order (n = {self.n})" if self.rho is None else f"{self.rho:.2f} (n = {self.n})"


def agreement(first: Matrix, second: Matrix, off_diagonal: bool) -> Agreement:
    """The agreement of two matrices, over all common cells or over those of tasks that were not attacked."""
    pairs = [
        (q, other)
        for objective in first.objectives
        for task in first.tasks
        if not (off_diagonal and is_own(objective, task))
        and (q := first.ratio(objective, task)) is not None
        and (other := second.ratio(objective, task)) is not None
    ]
    return Agreement(spearman([q for q, _ in pairs], [other for _, other in pairs]), len(pairs))


def spearman(first: list[float], second: list[float]) -> float | None:
    """Pearson's correlation of the ranks, ties at their mean rank; None below `FEWEST` values or without spread."""
    if len(first) < FEWEST:
        return None
    ranks = np.stack([rankdata(first), rankdata(second)])
    centred = ranks - ranks.mean(1, keepdims=True)
    scale = float(np.sqrt(np.prod((centred**2).sum(1))))
    return float(centred[0] @ centred[1]) / scale if scale > 0 else None
