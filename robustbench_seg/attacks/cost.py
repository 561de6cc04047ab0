"""What work costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Images that went forward and backward through the model, seconds, and the peak memory in MB."""

    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.seconds + other.seconds,
            max(self.peak_memory_mb, other.peak_memory_mb),
        )
