"""What work cost: images through the model, time, memory."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import torch

from robustbench_seg.attacks.target_model import TargetModel


@dataclass(frozen=True)
class Spent:
    """Images forward and backward, seconds, and the peak memory so far in MB."""

    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.seconds + other.seconds,
            max(self.peak_memory_mb, other.peak_memory_mb),
        )


class Meter:
    """Counts what went through the target model, and the time, since the last reading."""

    def __init__(self, target_model: TargetModel) -> None:
        self._target_model = target_model
        self._mark = self._now()

    def read(self) -> Spent:
        """What was spent since the last reading."""
        now, before = self._now(), self._mark
        self._mark = now
        return Spent(now[0] - before[0], now[1] - before[1], now[2] - before[2], peak_memory_mb())

    def _now(self) -> tuple[int, int, float]:
        return self._target_model.cost.forwards, self._target_model.cost.backwards, time.perf_counter()


def peak_memory_mb() -> float:
    """The highest resident memory of this process (or allocated GPU memory) in MB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
