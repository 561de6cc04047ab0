"""Which candidates make a model's gradients faster without making attacks weaker: the choice that `--fast` makes.

They are added one after another to the best so far, where that pays by more than 5 % of the work, preparation included,
and where outputs, and what an attack does, stay those of strict fp32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, Protocol, TypeVar

from robustbench_seg.evaluation.candidates import CANDIDATES, Candidate, added, chosen
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.models.folding import close
from robustbench_seg.registry import described
from robustbench_seg.tasks.base import Outputs

PAYS = 0.95
"""What is kept takes at most this share of the time that the work would take without it."""
APART = 0.01
"""How far the retained performance Q under an attack may be from that of strict fp32, either way."""
_WORTH_TRYING = 0.1
"""A candidate whose preparation is a larger share of the work is not tried: it cannot be interrupted."""


@dataclass(frozen=True, eq=False)
class Strength:
    """What an attack does that follows gradients taken in one way: the `value` of the metric under it, and Q.

    `outputs` are those of clean images, computed in fp32 whatever gradients are.
    """

    value: float
    retained: float
    outputs: Outputs


class Trial(Protocol):
    """A model made ready to be run in one way; `preparation` and a gradient of one image took so many seconds."""

    @property
    def preparation(self) -> float:
        """Seconds until gradients can be taken."""

    @property
    def seconds(self) -> float:
        """Seconds of a gradient of one image."""

    def strength(self) -> Strength:
        """Attack a few images."""


T = TypeVar("T", bound=Trial)


@dataclass(frozen=True)
class Tried:
    """What came of a candidate: why it was left out (empty where it was kept), and what was measured of it."""

    name: str
    reason: str
    seconds: float | None = None
    preparation: float | None = None
    value: float | None = None
    retained: float | None = None


@dataclass(frozen=True)
class Choice(Generic[T]):
    """The names of what is kept, what was measured of strict fp32 and each candidate, and the trial to go on with."""

    kept: tuple[str, ...]
    strict: Tried
    tried: tuple[Tried, ...]
    best: T

    def record(self) -> dict[str, Any]:
        """Return all but the trial as plain values."""
        return {"kept": list(self.kept), "strict": asdict(self.strict), "tried": [asdict(one) for one in self.tried]}


def choose(execution: Execution, trial: Callable[[Execution], T], gradients: float, most_seconds: float) -> Choice[T]:
    """Try all candidates; `trial` makes the model ready to be run in one way.

    The work is `gradients` of one image each, or as many as fit into `most_seconds`. What strict fp32 raises is raised.
    """
    search = _Search(execution, trial, gradients, most_seconds)
    tried = tuple(search.tried(candidate) for candidate in CANDIDATES.values())
    return Choice(search.kept, _measured("strict", "", search.strict, search.strength), tried, search.best)


class _Search(Generic[T]):
    """The best so far."""

    def __init__(
        self, execution: Execution, trial: Callable[[Execution], T], gradients: float, most_seconds: float
    ) -> None:
        self._execution = execution
        self._trial = trial
        self.strict = trial(execution)
        self.strength = self.strict.strength()
        self.best = self.strict
        self.kept: tuple[str, ...] = ()
        self._gradients = min(gradients, most_seconds / self.strict.seconds)

    def tried(self, candidate: Candidate) -> Tried:
        """Try a candidate on top of what is kept, and keep it if that is better."""
        if reason := self._hopeless(candidate):
            return Tried(candidate.name, reason)
        kept = added(self.kept, candidate.name)
        try:
            trial = self._trial(chosen(self._execution, kept))
            if reason := self._too_slow(trial):
                return _measured(candidate.name, reason, trial)
            strength = trial.strength()
        except (Exception, SystemExit) as error:
            return Tried(candidate.name, described(error)[:200])
        reason = self._different(strength)
        if not reason:
            self.best, self.kept = trial, kept
        return _measured(candidate.name, reason, trial, strength)

    def _hopeless(self, candidate: Candidate) -> str:
        needed = candidate.seconds(self._execution.device)
        if needed is None:
            return f"is for {' and '.join(candidate.devices)}"
        work = self._work(self.best)
        return (
            f"takes about {needed:.0f} s to prepare, for {work:.0f} s of work" if needed > _WORTH_TRYING * work else ""
        )

    def _too_slow(self, trial: Trial) -> str:
        if self._work(trial) + self._extra(trial) <= PAYS * (self._work(self.best) + self._extra(self.best)):
            return ""
        factor = trial.seconds / self.best.seconds
        return f"takes {factor:.2f} times as long, and {self._extra(trial):.0f} s to prepare"

    def _different(self, strength: Strength) -> str:
        if not close(self.strength.outputs, strength.outputs):
            return "outputs differ by more than rounding"
        apart = abs(strength.retained - self.strength.retained)
        # NaN too: what is not known is not the same.
        return "" if apart <= APART else f"Q under attack differs by {apart:.3f}"

    def _work(self, trial: Trial) -> float:
        return self._gradients * trial.seconds

    def _extra(self, trial: Trial) -> float:
        """Seconds of preparation that strict fp32 does not take."""
        return max(0.0, trial.preparation - self.strict.preparation)


def _measured(name: str, reason: str, trial: Trial, strength: Strength | None = None) -> Tried:
    harm = (None, None) if strength is None else (strength.value, strength.retained)
    return Tried(name, reason, trial.seconds, trial.preparation, *harm)
