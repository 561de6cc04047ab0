"""Whether a finding holds: what every comparison that bears on it says, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOLDS, PARTLY, MIXED, UNDECIDED, FAILS = "holds", "holds in part", "mixed", "not decided", "does not hold"


@dataclass(frozen=True)
class Vote:
    """One comparison in words; `sign` 1 or -1 where its interval says yes or no, 0 where neither."""

    text: str
    sign: int


@dataclass(frozen=True)
class Judged:
    """A finding of the paper, and what every comparison here says of it."""

    finding: str
    votes: tuple[Vote, ...]

    @property
    def verdict(self) -> str:
        """Holds where all comparisons clearly say so, in part where at least half do and none contradicts.

        Fails where more contradict than agree, is mixed where some do both, and else not decided.
        """
        agreeing = sum(vote.sign > 0 for vote in self.votes)
        against = sum(vote.sign < 0 for vote in self.votes)
        if agreeing == len(self.votes) > 0:
            return HOLDS
        if against > agreeing:
            return FAILS
        if against:
            return MIXED
        return PARTLY if 2 * agreeing >= len(self.votes) > 0 else UNDECIDED

    @property
    def count(self) -> str:
        """How the comparisons came out."""
        return tally(self.votes)


def tally(votes: Sequence[Vote]) -> str:
    """`3 of 5 comparisons clearly for it, 1 clearly against`."""
    agreeing, against = (sum(vote.sign == sign for vote in votes) for sign in (1, -1))
    return f"{agreeing} of {len(votes)} comparisons clearly for it, {against} clearly against"
