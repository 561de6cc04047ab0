"""How far a run is, and when it will be done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from robustbench_seg.evaluation.estimate import PairCost
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.results.records import SweepResult

_PRIOR = 0.1
"""How much the estimate weighs beside what has been observed so far."""


@dataclass(frozen=True)
class Progress:
    """Shards done of all, and about how many seconds are left (0: it should have been done).

    `text` says what is done before the first shard.
    """

    done: int
    total: int
    seconds_left: float
    text: str = ""


class Eta:
    """The seconds left: at first as estimated, then more and more as the work has gone so far.

    `work` is what there is to do, in any unit; `seconds` how long that was estimated to take.
    """

    def __init__(self, seconds: float, work: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._work, self._clock = seconds, work, clock
        self._start = self._last = clock()
        self._done = 0.0

    def advance(self, work: float) -> None:
        """So much more has just been done."""
        self._done += work
        self._last = self._clock()

    @property
    def seconds_left(self) -> float:
        """How long it takes from now; 0 where it should have been done."""
        # Between two advances time passes and work does not: the remaining time falls by it.
        seen = self._done / self._work if self._work else 1.0
        prior = _PRIOR * (1 - seen)
        whole = (prior * self._seconds + self._last - self._start) / (prior + seen)
        return max(whole - (self._clock() - self._start), 0.0)


class Tracker:
    """Follows the work items of a run with `total` shards, which are estimated to take so many seconds.

    `costs` are those of the plan's pairs: some configurations take many times as long as others.
    """

    def __init__(
        self,
        work_items: Sequence[WorkItem],
        total: int,
        costs: Sequence[PairCost],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._costs = total, costs
        self._left = Counter({(item.pair, item.shard): len(item.configurations) for item in work_items})
        self._done = total - len(self._left)
        work = [self._work(item.pair, c, len(item.images)) for item in work_items for c in item.configurations]
        self._eta = Eta(seconds, sum(work), clock)

    def progress(self, results: Sequence[SweepResult] = ()) -> Progress:
        """Return how far it is with these results."""
        for result in results:
            place = result.pair, result.shard
            self._left[place] -= 1
            self._done += self._left[place] == 0
            self._eta.advance(self._work(result.pair, result.configuration, len(result.cells[0].images)))
        return Progress(self._done, self._total, self._eta.seconds_left)

    def _work(self, pair: int, configuration: int, n_images: int) -> float:
        return n_images * self._costs[pair].seconds((configuration,))
