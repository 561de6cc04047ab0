"""Two single-thread workers of Ray against the same two of the local engine."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.engines.base import ENGINES
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.registry import load_plugin
from tests.bench.benchmark import Benchmark, NotMeasuredError
from tests.bench.record import Figure, figure
from tests.bench.subjects import ARRAYS, catalogue
from tests.bench.timing import Side, alternate
from tests.bench.watched import watched

TARGET = 1.15


@dataclass(frozen=True)
class RayEngine(Benchmark):
    """Each measurement is the difference of a long and a short run, so that start-up is apart on either side.

    A run's time is from the start of the workers to the last result received.
    """

    name: ClassVar[str] = "ray"
    what: ClassVar[str] = "klingner2020 with two single-thread workers of Ray against two local ones, start-up apart"

    repeats: int = 3
    images: int = 192
    images_short: int = 32
    size: str = "64x128"
    model: str = "street-single"
    engines: tuple[str, str] = ("ray", "local")

    def figures(self, device: str) -> Iterator[Figure]:
        """The ratio, and whether the tables are the same bytes."""
        for engine in self.engines:
            if engine not in ENGINES or (engine == "ray" and importlib.util.find_spec("ray") is None):
                raise NotMeasuredError(f"the {engine} engine is not installed")
        load_plugin(ARRAYS)
        with tempfile.TemporaryDirectory() as folder:
            raw = alternate({engine: self._side(engine, Path(folder)) for engine in self.engines}, self.repeats)
            tables = {(Path(folder) / engine / "summary.csv").read_bytes() for engine in self.engines}
        notes = {"summary.csv of the two": "the same bytes" if len(tables) == 1 else "different"}
        yield figure("work", "quotient", raw, at_most=TARGET, notes=notes)

    def _side(self, engine: str, folder: Path) -> Side:
        def side() -> float:
            with tempfile.TemporaryDirectory() as other:
                short = self._seconds(engine, self.images_short, Path(other))
            shutil.rmtree(folder / engine, ignore_errors=True)
            work = self._seconds(engine, self.images, folder / engine) - short
            if work <= 0:
                raise NotMeasuredError("start-up varied by more than the work takes; give it more images")
            return work

        return side

    def _seconds(self, engine: str, images: int, folder: Path) -> float:
        config = EvaluationConfig(
            [catalogue(self.model).spec],
            [DataSpec("arrays", self.size)],
            PROTOCOLS.get("klingner2020"),
            limit=images,
            batch_size=8,
            device="cpu",
            engine=engine,
            workers=2,
            plugins=(str(ARRAYS),),
        )
        return watched(config, folder).seconds
