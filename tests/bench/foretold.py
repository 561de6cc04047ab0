"""The evaluation's own estimate against what its work took here."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import ClassVar

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.estimate import Estimate, estimate
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.registry import load_plugin
from robustbench_seg.results.run import STORE
from tests.bench.benchmark import Benchmark, NotMeasuredError
from tests.bench.record import Figure, figure
from tests.bench.subjects import ARRAYS, catalogue
from tests.bench.watched import watched

Numbers = dict[str, float]


@dataclass(frozen=True)
class Foretold(Benchmark):
    """Either side is the difference of a long and a short run: starting workers is not foretold.

    `sides` are engines, each with a number of single-thread workers. Every run measures a forward, a gradient and a
    score anew, just before its work.
    """

    name: ClassVar[str] = "foretold"
    what: ClassVar[str] = (
        "seconds that `evaluate` foretells, from one image's forward, gradient and score, by those that the work took "
        "(klingner2020 on a model of segmentation and depth), and bytes of the store likewise"
    )

    repeats: int = 3
    images: int = 128
    images_short: int = 32
    size: str = "64x128"
    model: str = "street-multi"
    protocol: str = "klingner2020"
    sides: tuple[str, ...] = ("local 1", "local 2", "ray 2")

    def figures(self, device: str) -> Iterator[Figure]:
        """A figure per side that can be had here, then the store."""
        load_plugin(ARRAYS)
        sides = [side for side in self.sides if "ray" not in side or importlib.util.find_spec("ray") is not None]
        runs: dict[str, list[Numbers]] = {side: [] for side in sides}
        for _ in range(self.repeats):
            for side in sides:
                runs[side].append(self._run(side))
        for side in sides:
            yield _quotient(side, runs[side], "seconds", "s")
        yield _quotient("store", runs[sides[0]], "bytes", "bytes")

    def _run(self, side: str) -> Numbers:
        with tempfile.TemporaryDirectory() as folder:
            _, short, short_bytes = self._evaluated(side, self.images_short, Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            prepared, long, long_bytes = self._evaluated(side, self.images, Path(folder))
        if long <= short:
            raise NotMeasuredError("start-up varied by more than the work takes; give it more images")
        less, more = _foretold(prepared, self.images_short), _foretold(prepared, self.images)
        timing = prepared.costs[0].timing
        return {
            "seconds foretold": more.seconds - less.seconds,
            "seconds measured": long - short,
            "bytes foretold": (more.megabytes - less.megabytes) * 2**20,
            "bytes measured": long_bytes - short_bytes,
            "ms of a forward": 1e3 * timing.forward,
            "ms of a gradient": 1e3 * timing.gradient,
            "ms of a score": 1e3 * timing.score,
        }

    def _evaluated(self, side: str, images: int, folder: Path) -> tuple[PreparedEvaluation, float, float]:
        engine, workers = side.split()
        config = EvaluationConfig(
            [catalogue(self.model).spec],
            [DataSpec("arrays", self.size)],
            PROTOCOLS.get(self.protocol),
            limit=images,
            batch_size=8,
            device="cpu",
            engine=engine,
            workers=int(workers),
            plugins=(str(ARRAYS),),
        )
        run = watched(config, folder)
        return run.prepared, run.seconds, (folder / STORE).stat().st_size


def _foretold(prepared: PreparedEvaluation, images: int) -> Estimate:
    """Of the work alone, without the look at the model before it."""
    plan = prepared.plan.first(images)
    return estimate(plan, prepared.costs, frozenset(), prepared.workers, set(range(len(plan.pairs))))


def _quotient(name: str, runs: list[Numbers], what: str, unit: str) -> Figure:
    raw = {side: [run[f"{what} {side}"] for run in runs] for side in ("foretold", "measured")}
    beside = {key: median(run[key] for run in runs) for key in runs[0] if key.startswith("ms ")}
    return figure(name, "quotient", raw, unit, numbers=beside if unit == "s" else {})
