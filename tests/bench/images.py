"""Time and memory over the number of images: the whole command at several limits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import ClassVar

from tests.bench.benchmark import Benchmark
from tests.bench.process import ROBUSTSEG, Finished, run
from tests.bench.record import Figure, figure
from tests.bench.subjects import ARRAYS, catalogue

LINEAR = 0.99
MEMORY = 1.05


@dataclass(frozen=True)
class Images(Benchmark):
    """The default engine and workers, which all have work from 16 images on. Start-up is the line's intercept."""

    name: ClassVar[str] = "images"
    what: ClassVar[str] = "seconds and peak memory of `robustseg evaluate -p klingner2020` over the number of images"

    repeats: int = 3
    counts: tuple[int, ...] = (16, 32, 64, 128, 256)
    size: str = "96x192"
    model: str = "street-single"

    def figures(self, device: str) -> Iterator[Figure]:
        """R² of time over images, and the memory of the most images by that of the fewest."""
        ran: dict[str, list[Finished]] = {str(count): [] for count in self.counts}
        for _ in range(self.repeats):
            for count in self.counts:
                ran[str(count)].append(self._run(count))
        yield figure("time", "line", {n: [r.seconds for r in runs] for n, runs in ran.items()}, at_least=LINEAR)
        peaks = {f"{n} images": [r.peak_mb for r in runs] for n, runs in ran.items()}
        last, first = f"{self.counts[-1]} images", f"{self.counts[0]} images"
        between = {f"{name}, MB": median(series) for name, series in peaks.items() if name not in (last, first)}
        ends = {last: peaks[last], first: peaks[first]}
        yield figure("peak memory", "quotient", ends, "MB", at_most=MEMORY, numbers=between)

    def _run(self, count: int) -> Finished:
        with tempfile.TemporaryDirectory() as folder:
            data = ("-d", f"arrays:{self.size}", "--plugin", ARRAYS, "--limit", str(count))
            options = ("-p", "klingner2020", "--device", "cpu", "--batch-size", "8", "-o", Path(folder) / "run")
            return run([*ROBUSTSEG, "evaluate", *catalogue(self.model).arguments, *data, *options])
