"""Workers that have their results ready, in place of those that compute: what is left are engine, head and store.

Records are real ones, as large and as hard to compress as those of images of 1024×2048.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from importlib import import_module
from statistics import fmean
from unittest import mock

import numpy as np

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.evaluation.engines import local
from robustbench_seg.evaluation.engines.base import Results
from robustbench_seg.evaluation.engines.scheduler import Handle, schedule
from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.plan import Plan, WorkItem
from robustbench_seg.evaluation.size import size_of
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult, pack

HEIGHT, WIDTH = 1024, 2048
CLASSES = 19
MASKS = "masks"
"""The key under which a configuration's `given` says how many masks an image has besides."""
_POOL = 16


class Ready:
    """Makes the results of a plan's work items; `masks` of an image come on top where there are some."""

    def __init__(self, plan: Plan, masks: int = 0) -> None:
        rng = np.random.default_rng(0)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._plan = plan
        self._pool = [_statistics(rng, masks) for _ in range(_POOL)]

    def run(self, work_item: WorkItem) -> Results:
        """Every cell of a work item."""
        pair, cost = self._plan.pairs[work_item.pair], Cost(3, 2, 0.123, 4321.0)
        return [
            SweepResult(
                work_item.pair,
                index,
                work_item.shard,
                tuple(
                    CellResult(epsilon, tuple(self._record(image, cell) for image in work_item.images), cost)
                    for cell, (epsilon, _) in enumerate(pair.configurations[index].cells)
                ),
                self.name,
            )
            for index in work_item.configurations
        ]

    def _record(self, image: int, cell: int) -> ImageResult:
        # Copies, as pickle writes the same object but once.
        statistics = {key: bytes(memoryview(data)) for key, data in self._pool[(image + cell) % _POOL].items()}
        return ImageResult(image, "", 1.25 + image, 4.0 + cell, 33.3 + image, reached=True, statistics=statistics)


def bytes_of_a_result(plan: Plan, masks: int = 0) -> tuple[float, float]:
    """Of an image in a cell, on its way from a worker in a work item of one image, and as foretold in the store."""
    sweeps = Ready(plan, masks).run(next(plan.work_items()))
    records = [image for sweep in sweeps for cell in sweep.cells for image in cell.images]
    return len(pickle.dumps(sweeps)) / len(records), fmean(size_of(record).results for record in records)


def _statistics(rng: np.random.Generator, masks: int) -> dict[str, bytes]:
    arrays = {"semantic": {"confusion": _confusion(rng)}, "depth": {"sums": _sums(rng)}}
    if masks:
        arrays["instance"] = _instances(rng, masks)
    return {task: pack(values) for task, values in arrays.items()}


def _confusion(rng: np.random.Generator) -> np.ndarray:
    """(C,C) counts of all pixels, 85 % of them right."""
    rows = rng.multinomial(HEIGHT * WIDTH, rng.dirichlet(np.full(CLASSES, 0.3)))
    shares = 0.85 * np.eye(CLASSES) + 0.15 * rng.dirichlet(np.full(CLASSES, 0.2), CLASSES)
    return np.stack([rng.multinomial(count, share) for count, share in zip(rows, shares, strict=True)])


def _sums(rng: np.random.Generator) -> np.ndarray:
    """(C+1,8): four sums of errors and four counts of pixels; a third of the classes is not there."""
    sums = rng.random((CLASSES + 1, 8)) * 10 ** rng.uniform(2, 6, (CLASSES + 1, 1))
    sums[:, 4:] = sums[:, 4:].round()
    sums[:-1][rng.random(CLASSES) < 1 / 3] = 0
    return sums


def _instances(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """What `instance` stores of ellipses with ragged edges, up to 200 pixels wide and high."""
    runs = [_runs(rng, int(rng.integers(10, 200)), int(rng.integers(10, 200))) for _ in range(count)]
    return {
        "runs": np.concatenate(runs),
        "run_counts": np.asarray([len(each) for each in runs]),
        "mask_size": np.asarray([HEIGHT, WIDTH]),
        "scores": np.sort(rng.random(count))[::-1],
        "labels": rng.integers(0, CLASSES, count),
        "boxes": rng.random((count, 4)) * HEIGHT,
        "matched": rng.integers(0, 2, (10, count)),
        "ignored": np.zeros((10, count)),
        "truth": rng.integers(0, 20, CLASSES),
    }


def _runs(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Runs of 0 and 1 in turn, column by column."""
    ellipse = height * np.sqrt(1 - np.linspace(-0.99, 0.99, width) ** 2)
    inside = np.maximum(1, ellipse.astype(int) + rng.integers(-1, 2, width))
    runs = np.stack([HEIGHT - inside, inside], 1).ravel()
    runs[0] = rng.integers(0, HEIGHT * WIDTH // 2)
    return np.append(runs, HEIGHT * WIDTH - runs.sum())


class _ReadyProcess(local._Process):
    """A process as the engine starts it, real worker included; what it is asked for is taken from another one."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.ready = self._executor.submit(_begin, job)

    def submit(self, work_item: WorkItem) -> Future[Results]:
        return self._executor.submit(_work, work_item)


class _ReadyActor:
    """In place of the class that the engine makes actors of."""

    def __init__(self, job: Job, folder: str) -> None:
        self._job = job

    def begin(self) -> str:
        self._ready = _ready(self._job)
        return self._ready.name

    def announce(self, work_item: WorkItem) -> None:
        pass

    def run(self, work_item: WorkItem) -> Results:
        return self._ready.run(work_item)


_in_process: list[Ready] = []


def _begin(job: Job) -> str:
    _in_process.append(_ready(job))
    return _in_process[0].name


def _work(work_item: WorkItem) -> Results:
    return _in_process[0].run(work_item)


def _ready(job: Job) -> Ready:
    return Ready(job.plan, job.config.given.get(MASKS, 0))


_SEAMS: dict[str, tuple[str, str, type]] = {
    "local": ("robustbench_seg.evaluation.engines.local", "_Process", _ReadyProcess),
    "ray": ("robustbench_seg.evaluation.engines.ray_actors", "_RemoteWorker", _ReadyActor),
}
"""By engine its module, and the class in it that is replaced."""


@contextlib.contextmanager
def ready_workers(engine: str) -> Iterator[None]:
    """The engine has such workers in this block, and hands out no work before all are there."""
    name, seam, replacement = _SEAMS[engine]
    module = import_module(name)
    with mock.patch.object(module, seam, replacement), mock.patch.object(module, "schedule", _schedule_all):
        yield


def _schedule_all(
    job: Job, work_items: Sequence[WorkItem], workers: int, start: Callable[[], Handle]
) -> Iterator[Results]:
    handles = [start() for _ in range(workers)]
    for handle in handles:
        handle.ready.result()
    # The caller hears when the work begins.
    yield []
    yield from schedule(job, work_items, workers, partial(next, iter(handles)))
