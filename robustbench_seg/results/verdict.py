"""What the intervals of a difference allow to say of it."""

from __future__ import annotations

from collections.abc import Collection

OPEN, UNKNOWN = "statistically indistinguishable", "no interval"
"""The verdicts where an interval holds 0, and where there is none."""

Interval = tuple[float, float]


def sign_of(intervals: Collection[Interval]) -> int:
    """The side of 0 that every interval lies on, 1 or -1; 0 where one holds 0, they disagree or there is none."""
    if not intervals:
        return 0
    return int(all(low > 0 for low, _ in intervals)) - int(all(high < 0 for _, high in intervals))


def verdict(intervals: Collection[Interval], sign: int, above: str, below: str) -> str:
    """The words for a difference whose intervals have this sign."""
    return {1: above, -1: below, 0: OPEN}[sign] if intervals else UNKNOWN
