"""Engines: they take units and hand back results, in whatever order, from whatever machines."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.harness.context import PairContext, Settings
from robustbench_seg.harness.memory import enough_memory
from robustbench_seg.harness.plan import Plan, Unit
from robustbench_seg.harness.results import FamilyResult
from robustbench_seg.harness.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.harness.worker import Read, read, work_on
from robustbench_seg.registry import lazy, load_plugin, unknown

if TYPE_CHECKING:
    from robustbench_seg.harness.evaluation import Request


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to take units: specs to load, the plan, settings, plugins.

    `in_process` keeps the work in threads of this process, for what another one could not see: objects in memory,
    attacks registered from Python, scripts that must not be imported twice. `timeout` is in seconds a unit; None is
    no limit.
    """

    models: Sequence[ModelSpec | InMemory]
    datasets: Sequence[DataSpec | InMemory]
    plan: Plan
    settings: Settings
    plugins: Sequence[str] = ()
    in_process: bool = False
    timeout: float | None = None


class Worker:
    """Loads pairs when their first unit comes and keeps them. `name` is `host:pid`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._contexts: dict[int, PairContext] = {}
        self._reading: dict[Unit, Future[Read]] = {}
        self._begun: set[Unit] = set()
        self._reader = ThreadPoolExecutor(1)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        for plugin in job.plugins:
            load_plugin(plugin)
        torch.set_num_threads(job.plan.threads)

    def run(self, unit: Unit) -> list[FamilyResult]:
        """The results of one unit."""
        with enough_memory("a model was loaded"):
            context = self._context(unit.pair)
        self._begun.add(unit)
        # Every image is read in the one thread: data sets need not stand two.
        reading = self._reading.pop(unit, None) or self._reader.submit(read, context, unit.images)
        with enough_memory("a batch was made"):
            return [replace(result, worker=self.name) for result in work_on(context, unit, reading.result())]

    def announce(self, unit: Unit) -> None:
        """A unit that will be run: its images are decoded or rendered while another one is computed."""
        context = self._contexts.get(unit.pair)
        if context is not None and unit not in self._begun:
            self._reading[unit] = self._reader.submit(read, context, unit.images)

    def close(self) -> None:
        """Read nothing more."""
        self._reader.shutdown(cancel_futures=True)

    def _context(self, index: int) -> PairContext:
        if index not in self._contexts:
            pair = self._job.plan.pairs[index]
            model = self._job.models[pair.model].load()
            dataset = self._job.datasets[pair.dataset].load()
            self._contexts[index] = PairContext(pair, model, dataset, self._job.settings)
        return self._contexts[index]


@dataclass(frozen=True)
class Engine:
    """A way to spread work: `run(job, units, workers)` yields the results of the units as they are ready.

    Every worker has the plan's number of threads, so neither engine nor count of workers changes a number.
    `remote` workers are other processes always, and see nothing of this one's memory.
    """

    run: Callable[[Job, Sequence[Unit], int], Iterator[list[FamilyResult]]]
    remote: bool = False


ENGINES: Mapping[str, Callable[[], object]] = {
    "local": lazy("robustbench_seg.harness.local_engine:LOCAL"),
    "ray": lazy("robustbench_seg.harness.ray_engine:RAY"),
}


def engine_of(request: Request) -> Engine:
    """The engine a request names; UsageError where there is none or where it cannot do what is asked."""
    name = request.engine
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, ENGINES))
    engine = ENGINES[name]()
    assert isinstance(engine, Engine)
    in_memory = [spec.name for spec in (*request.models, *request.datasets) if isinstance(spec, InMemory)]
    if engine.remote and (request.in_process or in_memory):
        what = " and ".join(in_memory) or "what is registered from Python"
        raise UsageError(f"engine '{name}' cannot send {what} to other processes; use engine 'local'")
    if request.timeout and request.in_process:
        raise UsageError(f"timeout {request.timeout:g}: work inside this process cannot be stopped; leave it out")
    return engine
