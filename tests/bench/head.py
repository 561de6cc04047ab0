"""The head process and the store under many workers, against what as many GPUs would produce."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import ClassVar
from unittest import mock

from robustbench_seg.evaluation import run as evaluation_run
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.registry import load_plugin
from robustbench_seg.results.run import STORE
from robustbench_seg.results.store import Store
from tests.bench.benchmark import Benchmark
from tests.bench.paper import Paper, card
from tests.bench.ready import HEIGHT, MASKS, WIDTH, bytes_of_a_result, ready_workers
from tests.bench.record import Figure, figure
from tests.bench.subjects import ARRAYS, HERE
from tests.bench.timing import adding
from tests.bench.watched import watched

TIMES = 10
TINY = HERE / "tiny.py"


@dataclass(frozen=True)
class Load:
    """So many workers of an engine with work on images of so many masks each."""

    engine: str
    workers: int
    images: int
    masks: int = 0


@dataclass(frozen=True)
class Head(Benchmark):
    """Workers are real processes that return ready results at once; a result is an image in a cell, in both tasks.

    Counted from when all workers are there to the last result stored. Processor time is of the head alone; the
    workers share the cores with it, which those of GPUs would not.
    """

    name: ClassVar[str] = "head"
    what: ClassVar[str] = (
        "results a second that the head stores of 64 workers who have them ready, by those of 64 GPUs on paper "
        "(klingner2020, which has most results for its gradients; see scale for what is assumed of a GPU)"
    )

    repeats: int = 3
    protocol: str = "klingner2020"
    models: int = 4
    workers: int = 64
    images: int = 500
    masks: int = 100
    images_with_masks: int = 150
    ray_workers: int = 8

    def figures(self, device: str) -> Iterator[Figure]:
        """Results of two tasks, those with masks, and those that come through Ray where it is installed."""
        yield self._figure("local", Load("local", self.workers, self.images))
        yield self._figure("local, masks besides", Load("local", self.workers, self.images_with_masks, self.masks))
        if self.ray_workers and importlib.util.find_spec("ray") is not None:
            yield self._figure("ray", Load("ray", self.ray_workers, self.images))

    def _figure(self, name: str, load: Load) -> Figure:
        paper = Paper(self.protocol, self.models, load.images, (HEIGHT, WIDTH), 1, card())
        given = paper.results_per_second(self.workers)
        runs = [self._run(load) for _ in range(self.repeats)]
        taken = [run["results/s"] for run in runs]
        size, _ = bytes_of_a_result(paper.plan, load.masks)
        numbers = {
            "workers": load.workers,
            "bytes of a result, pickled": size,
            "MB/s from the workers": size * median(taken) / 1e6,
            **{key: median(run[key] for run in runs) for key in runs[0] if key != "results/s"},
            "forward at which it is ten times, ms": 1e3 * paper.timing.forward * TIMES * given / median(taken),
        }
        raw = {"head": taken, f"{self.workers} GPUs": [given]}
        return figure(name, "quotient", raw, "results/s", at_least=TIMES, numbers=numbers)

    def _run(self, load: Load) -> dict[str, float]:
        for plugin in (ARRAYS, TINY):
            load_plugin(plugin)
        config = EvaluationConfig(
            [ModelSpec(f"tiny-{index:02d}") for index in range(self.models)],
            [DataSpec("arrays", "32x64")],
            PROTOCOLS.get(self.protocol),
            limit=load.images,
            batch_size=1,
            device="cpu",
            engine=load.engine,
            workers=load.workers,
            plugins=(str(ARRAYS), str(TINY)),
            given={MASKS: load.masks},
        )
        spent = dict.fromkeys(("store", "tables"), 0.0)
        parts = ((Store, "write", "store"), (evaluation_run, "judged", "tables"))
        with tempfile.TemporaryDirectory() as folder, ready_workers(load.engine), ExitStack() as stack:
            for owner, function, part in parts:
                timed = adding(getattr(owner, function), spent, part)
                stack.enter_context(mock.patch.object(owner, function, timed))
            run = watched(config, Path(folder))
            stored = (Path(folder) / STORE).stat().st_size
        cells = sum(len(run.prepared.plan.pairs[0].configurations[i].cells) for i in run.prepared.plan.pairs[0].to_run)
        # The mark before is set before the workers start.
        first, last = run.marks[1], run.marks[-1]
        results, seconds = cells * last.done, last.seconds - first.seconds
        return {
            "results/s": results / seconds,
            "results by second of the head's processor time": results / (last.cpu - first.cpu),
            "bytes of a result in the store": stored / (cells * last.done),
            "share of the time in the store": spent["store"] / seconds,
            "seconds of the tables, by model": spent["tables"] / self.models,
        }
