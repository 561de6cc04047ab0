"""What a benchmark is: a frozen dataclass of its sizes, and the figures it gives."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from robustbench_seg.evaluation.provenance import commit
from tests.bench.record import Entry, Figure


class NotMeasuredError(Exception):
    """Something that the benchmark needs is not here; the text says what."""


@dataclass(frozen=True)
class Benchmark(ABC):
    """Fields are its sizes, so that a test can run it small. `devices` are those it has a meaning on."""

    name: ClassVar[str]
    what: ClassVar[str]
    devices: ClassVar[tuple[str, ...]] = ("cpu",)

    repeats: int = 3

    @abstractmethod
    def figures(self, device: str) -> Iterator[Figure]:
        """Measure; NotMeasuredError where something it needs is missing."""

    def entry(self, device: str, anywhere: bool = False) -> Entry:
        """Its figures, or why there are none; `anywhere` runs it also where it has no meaning."""
        *_, whole = self.entries(device, anywhere)
        return whole

    def entries(self, device: str, anywhere: bool = False) -> Iterator[Entry]:
        """The entry with its first figure, with its first two, ...: what ends early loses nothing."""
        start, figures = time.perf_counter(), tuple[Figure, ...]()
        if device not in self.devices and not anywhere:
            yield self._entry(start, reason=f"it is measured on {' and '.join(self.devices)}, not on {device}")
            return
        try:
            for one in self.figures(device):
                figures = (*figures, one)
                yield self._entry(start, figures)
        except NotMeasuredError as error:
            yield self._entry(start, reason=str(error))

    def _entry(self, start: float, figures: tuple[Figure, ...] = (), reason: str = "") -> Entry:
        seconds = round(time.perf_counter() - start, 1)
        return Entry(self.name, self.what, commit(), _plain(asdict(self)), seconds, figures, reason)


def _plain(settings: Any) -> Any:
    """Tuples as JSON reads them back, however deep."""
    if isinstance(settings, dict):
        return {key: _plain(value) for key, value in settings.items()}
    return list(settings) if isinstance(settings, tuple) else settings
