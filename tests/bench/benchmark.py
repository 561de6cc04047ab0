"""What a benchmark is: a frozen dataclass of its sizes, and the figures it gives."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import ClassVar

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

    def entry(self, device: str) -> Entry:
        """Its figures, or why there are none."""
        start = time.perf_counter()
        figures, reason = self._measured(device)
        seconds = round(time.perf_counter() - start, 1)
        return Entry(self.name, self.what, commit(), _plain(asdict(self)), seconds, figures, reason)

    def _measured(self, device: str) -> tuple[tuple[Figure, ...], str]:
        if device not in self.devices:
            return (), f"it is measured on {' and '.join(self.devices)}, not on {device}"
        try:
            return tuple(self.figures(device)), ""
        except NotMeasuredError as error:
            return (), str(error)


def _plain(settings: dict[str, object]) -> dict[str, object]:
    """Tuples as JSON reads them back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
