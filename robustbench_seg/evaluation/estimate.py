"""What work would cost, before anything is done."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.plan import Plan, WorkItem, share
from robustbench_seg.evaluation.size import Size
from robustbench_seg.evaluation.timing import Timing


@dataclass(frozen=True)
class Estimate:
    """What work would cost: cells, gradients and forwards (theirs included) over all images, seconds, megabytes.

    Seconds are on the workers asked for, without their start; `fit_seconds` of them go before, into the look at the
    models and fits on training images. Where an attack can stop early the counts are upper bounds. `resumes`: an
    earlier run has left it to do.
    """

    cells: int
    images: int
    gradients: int
    forwards: int
    seconds: float
    fit_seconds: float
    megabytes: float
    workers: int
    resumes: bool


@dataclass(frozen=True)
class Passes:
    """What one image takes: gradients, forwards (theirs included), cells that are scored."""

    gradients: int
    forwards: int
    cells: int

    def seconds(self, timing: Timing) -> float:
        """How long they take."""
        lone = self.forwards - self.gradients
        return self.gradients * timing.gradient + lone * timing.forward + self.cells * timing.score


class PairCost:
    """What one image of a pair takes, and its `fits` by configuration: their gradients, and forwards in all.

    `checks` gives the same of the look at its model for a number of images. `shares_forward`: gradients at the clean
    images are of the one clean forward. `frozen` models see every image once, timed as forwards of the pair's model.
    """

    def __init__(
        self,
        attacks: Sequence[ConfiguredAttack],
        timing: Timing,
        size: Size,
        shares_forward: bool,
        fits: Mapping[int, tuple[int, int]],
        checks: Callable[[int], tuple[int, int]],
        frozen: int = 0,
    ) -> None:
        self._attacks = attacks
        self._fits = {configuration: Passes(*counts, 0) for configuration, counts in fits.items()}
        self._checks = checks
        self.timing = timing
        self.size = size
        self._shares_forward = shares_forward
        self._frozen = frozen
        self._known: dict[tuple[int, ...], Passes] = {}

    def passes(self, configurations: tuple[int, ...]) -> Passes:
        """Return what one image takes where these configurations are run together."""
        if configurations not in self._known:
            attacks = [self._attacks[index] for index in configurations]
            passes = _passes(attacks, self._shares_forward)
            self._known[configurations] = replace(passes, forwards=passes.forwards + self._frozen)
        return self._known[configurations]

    def fit(self, configuration: int) -> tuple[Passes, float]:
        """Return what the fits of a configuration take in all, and how long; nothing where it has none."""
        passes = self._fits.get(configuration, Passes(0, 0, 0))
        return passes, passes.seconds(self.timing)

    def check(self, n_images: int) -> tuple[Passes, float]:
        """Return what the look at the model takes on a run of so many images, and how long."""
        passes = Passes(*self._checks(n_images), 0)
        return passes, passes.seconds(self.timing)

    def seconds(self, configurations: tuple[int, ...]) -> float:
        """Return how long it takes."""
        return self.passes(configurations).seconds(self.timing)


def estimate(
    plan: Plan,
    costs: Sequence[PairCost],
    done: Set[tuple[int, int, int, int]],
    workers: int,
    checked: Set[int],
) -> Estimate:
    """Count and time the remaining work of a plan on so many workers; `costs` are those of its pairs.

    `done` is what a store holds: (pair, configuration, shard, number of images); `checked` are the pairs whose model
    needs no look any more.
    """
    pieces = share(list(plan.work_items(done)), workers)
    counted = [(len(piece.images), costs[piece.pair].passes(piece.configurations)) for piece in pieces]
    left = {(piece.pair, configuration) for piece in pieces for configuration in piece.configurations}
    # What has a result was fitted before it.
    fits = [costs[p].fit(configuration) for p, configuration in left - {place[:2] for place in done}]
    fits += [costs[p].check(plan.pairs[p].n_images) for p in {p for p, _ in left} - checked]
    fit_seconds = sum(seconds for _, seconds in fits)
    seconds = [len(piece.images) * costs[piece.pair].seconds(piece.configurations) for piece in pieces]
    return Estimate(
        sum(len(plan.pairs[p].configurations[configuration].cells) for p, configuration in left),
        sum({(piece.pair, piece.shard): len(piece.images) for piece in pieces}.values()),
        sum(count * passes.gradients for count, passes in counted) + sum(passes.gradients for passes, _ in fits),
        sum(count * passes.forwards for count, passes in counted) + sum(passes.forwards for passes, _ in fits),
        fit_seconds + _makespan(seconds, workers),
        fit_seconds,
        sum(_bytes(plan, piece, costs[piece.pair].size) for piece in pieces) / 2**20,
        workers,
        bool(done),
    )


def _bytes(plan: Plan, piece: WorkItem, size: Size) -> float:
    """What the store takes of a piece: every configuration has pictures in one of its cells."""
    cells = sum(len(plan.pairs[piece.pair].configurations[index].cells) for index in piece.configurations)
    drawn = len({*piece.images} & {*plan.drawn})
    return len(piece.images) * cells * size.results + drawn * len(piece.configurations) * size.pictures


def _makespan(seconds: Iterable[float], workers: int) -> float:
    """When all is done, where every worker takes the next piece as soon as it is free."""
    free = [0.0] * workers
    for piece in seconds:
        heapq.heapreplace(free, free[0] + piece)
    return max(free)


def _passes(attacks: Sequence[ConfiguredAttack], shares_forward: bool) -> Passes:
    """Equal cells, the clean forward and an objective's clean gradient count once."""
    gradients = forwards = cells = 0
    seen: set[Hashable] = set()
    started: set[Hashable] = set()
    for attack in attacks:
        keys = [attack.cell_key(epsilon) for epsilon in attack.configuration.epsilons]
        cells += len(attack.configuration.scored) * (keys.count(None) + len({*keys} - {None} - seen))
        forwards += attack.num_forwards
        seen.update(keys)
        starts = attack.uses_clean_gradient and attack.num_gradients > 0
        gradients += attack.num_gradients - (starts and attack.loss_key in started)
        started |= {attack.loss_key} if starts else set()
    # Objectives look at the clean outputs, also where the clean images are not to be scored.
    reference = not any(attack.is_clean for attack in attacks) and any(a.configuration.objective for a in attacks)
    shared = len(started) if shares_forward else 0
    return Passes(gradients, forwards + cells + gradients + reference - shared, cells)
