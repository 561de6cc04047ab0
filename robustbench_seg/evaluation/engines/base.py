"""Engines: they take work items and hand back results, in whatever order, from whatever machines."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.context import Settings, WorkerContext
from robustbench_seg.evaluation.memory import enough_memory
from robustbench_seg.evaluation.plan import Plan, WorkItem
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.evaluation.worker import Read, read, work_on
from robustbench_seg.registry import lazy, load_plugin, unknown
from robustbench_seg.results.records import SweepResult

if TYPE_CHECKING:
    from robustbench_seg.evaluation.prepare import EvaluationConfig


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to take work items: specs to load, the plan, settings, plugins.

    `in_process` keeps the work in threads of this process, for what another one could not see: objects in memory,
    attacks registered from Python, scripts that must not be imported twice. `timeout` is in seconds per work item;
    None is no limit.
    """

    models: Sequence[ModelSpec | InMemory]
    datasets: Sequence[DataSpec | InMemory]
    plan: Plan
    settings: Settings
    plugins: Sequence[str] = ()
    in_process: bool = False
    timeout: float | None = None


class Worker:
    """Loads pairs when their first work item comes and keeps them. `name` is `host:pid`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._contexts: dict[int, WorkerContext] = {}
        self._reading: dict[WorkItem, Future[Read]] = {}
        self._begun: set[WorkItem] = set()
        self._reader = ThreadPoolExecutor(1)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        for plugin in job.plugins:
            load_plugin(plugin)
        torch.set_num_threads(job.plan.threads)

    def run(self, work_item: WorkItem) -> list[SweepResult]:
        """The results of one work item."""
        with enough_memory("a model was loaded"):
            context = self._context(work_item.pair)
        self._begun.add(work_item)
        # Every image is read in the one thread: data sets need not stand two.
        reading = self._reading.pop(work_item, None) or self._reader.submit(read, context, work_item.images)
        with enough_memory("a batch was made"):
            return [replace(result, worker=self.name) for result in work_on(context, work_item, reading.result())]

    def announce(self, work_item: WorkItem) -> None:
        """A work item that will be run: its images are decoded or rendered while another one is computed."""
        context = self._contexts.get(work_item.pair)
        if context is not None and work_item not in self._begun:
            self._reading[work_item] = self._reader.submit(read, context, work_item.images)

    def close(self) -> None:
        """Read nothing more."""
        self._reader.shutdown(cancel_futures=True)

    def _context(self, index: int) -> WorkerContext:
        if index not in self._contexts:
            pair = self._job.plan.pairs[index]
            model = self._job.models[pair.model].load()
            dataset = self._job.datasets[pair.dataset].load()
            self._contexts[index] = WorkerContext(pair, model, dataset, self._job.settings)
        return self._contexts[index]


@dataclass(frozen=True)
class Engine:
    """A way to spread work: `run(job, work items, workers)` yields the results of the work items as they are ready.

    Every worker has the plan's number of threads, so neither engine nor count of workers changes a number.
    `remote` workers are other processes always, and see nothing of this one's memory.
    """

    run: Callable[[Job, Sequence[WorkItem], int], Iterator[list[SweepResult]]]
    remote: bool = False


ENGINES: Mapping[str, Callable[[], object]] = {
    "local": lazy("robustbench_seg.evaluation.engines.local:LOCAL"),
    "ray": lazy("robustbench_seg.evaluation.engines.ray_actors:RAY"),
}


def engine_of(config: EvaluationConfig) -> Engine:
    """The engine a request names; UsageError where there is none or where it cannot do what is asked."""
    name = config.engine
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, ENGINES))
    engine = ENGINES[name]()
    assert isinstance(engine, Engine)
    in_memory = [spec.name for spec in (*config.models, *config.datasets) if isinstance(spec, InMemory)]
    if engine.remote and (config.in_process or in_memory):
        what = " and ".join(in_memory) or "what is registered from Python"
        raise UsageError(f"engine '{name}' cannot send {what} to other processes; use engine 'local'")
    if config.timeout and config.in_process:
        raise UsageError(f"timeout {config.timeout:g}: work inside this process cannot be stopped; leave it out")
    return engine
