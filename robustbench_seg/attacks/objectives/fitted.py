"""Objectives that need something of the train split before they can be pursued."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from robustbench_seg.attacks.objectives.base import CleanReference, Objective
from robustbench_seg.lazy import Tensor


class FittedObjective(Objective):
    """An objective that an evaluation fits on the first training image; `bound` is what attacks then pursue."""

    @abstractmethod
    def fit(self, first: CleanReference) -> Mapping[str, Tensor]:
        """What is kept of the first training image, given its clean outputs and labels as a batch of one."""

    @abstractmethod
    def bound(self, fitted: Mapping[str, Tensor]) -> Objective:
        """The objective with what `fit` gave."""
