"""How long `robustseg --help` takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tests.bench.benchmark import Benchmark
from tests.bench.process import ROBUSTSEG, run
from tests.bench.record import Figure, figure
from tests.bench.timing import alternate

TARGET_S = 0.4


@dataclass(frozen=True)
class Startup(Benchmark):
    """Wall time of a whole process."""

    name: ClassVar[str] = "start-up"
    what: ClassVar[str] = "`robustseg --help`, from the start of the process to its end"

    repeats: int = 25

    def figures(self, device: str) -> Iterator[Figure]:
        """The median; the first call, which may find files that are not cached, does not count."""
        raw = alternate({"robustseg --help": lambda: run([*ROBUSTSEG, "--help"]).seconds}, self.repeats, warm_up=1)
        yield figure("help", "median", raw, at_most=TARGET_S)
