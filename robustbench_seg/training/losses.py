"""The losses of steps on their way to the log: nobody waits for one before its row is due."""

from __future__ import annotations

import math
from collections import deque

from torch import Tensor

from robustbench_seg.errors import InputError
from robustbench_seg.transfer import Arrival


class Losses:
    """The losses since the last row of the log; `first` is the step of the first one."""

    def __init__(self, first: int) -> None:
        self._coming: deque[Arrival] = deque()
        self._here: list[float] = []
        self._step = first
        self.latest: float | None = None
        """The last one that has arrived, None before any."""

    def add(self, loss: Tensor) -> None:
        """Send for a step's loss; InputError where one that has arrived is not finite."""
        self._coming.append(Arrival(loss))
        while self._coming and self._coming[0].is_here():
            self._take()

    def mean(self) -> float:
        """Wait for all, return their mean and begin anew; InputError where one is not finite."""
        while self._coming:
            self._take()
        mean = sum(self._here) / len(self._here)
        self._here.clear()
        return mean

    def _take(self) -> None:
        self.latest = float(self._coming.popleft().wait())
        if not math.isfinite(self.latest):
            raise InputError(f"the loss is not finite at step {self._step}; lower the recipe's learning rates")
        self._here.append(self.latest)
        self._step += 1
