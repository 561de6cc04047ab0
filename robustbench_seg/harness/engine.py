"""Engines: they take units and hand back results, in whatever order. `local` uses this machine's cores."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

import torch

from robustbench_seg.errors import InputError
from robustbench_seg.harness.plan import Plan, Unit
from robustbench_seg.harness.results import FamilyResult
from robustbench_seg.harness.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.harness.worker import PairContext, Settings
from robustbench_seg.registry import load_plugin


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to take units: specs to load, the plan, settings, plugins.

    `in_process` keeps the work in threads of this process, for what another one could not see: objects in memory,
    attacks registered from Python, scripts that must not be imported twice.
    """

    models: Sequence[ModelSpec | InMemory]
    datasets: Sequence[DataSpec | InMemory]
    plan: Plan
    settings: Settings
    plugins: Sequence[str] = ()
    in_process: bool = False


class Worker:
    """Loads pairs when their first unit comes and keeps them."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._contexts: dict[int, PairContext] = {}
        for plugin in job.plugins:
            load_plugin(plugin)
        torch.set_num_threads(job.plan.threads)

    def run(self, unit: Unit) -> list[FamilyResult]:
        """The results of one unit."""
        if unit.pair not in self._contexts:
            pair = self._job.plan.pairs[unit.pair]
            model = self._job.models[pair.model].load()
            dataset = self._job.datasets[pair.dataset].load()
            self._contexts[unit.pair] = PairContext(pair, model, dataset, self._job.settings)
        return self._contexts[unit.pair].families(unit)


_local = threading.local()


def _start(job: Job, in_process: bool) -> None:
    if in_process:
        threading.Thread(target=_die_with_parent, daemon=True).start()
    _local.worker = Worker(job)


def _die_with_parent() -> None:
    """A worker whose parent was killed must not go on."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _work(unit: Unit) -> list[FamilyResult]:
    worker: Worker = _local.worker
    return worker.run(unit)


def run_local(job: Job, units: Iterable[Unit], workers: int) -> Iterator[list[FamilyResult]]:
    """Results of the units as they are ready; processes, or threads where the job stays in this one.

    Every worker has the plan's number of threads, so the count of workers changes no number.
    """
    before = torch.get_num_threads()
    executor = _executor(job, workers)
    try:
        yield from _stream(executor, units, 2 * workers)
    except BrokenProcessPool as error:
        raise InputError("a worker process died (out of memory?); give the command again to resume") from error
    finally:
        _stop(executor)
        torch.set_num_threads(before)


def _executor(job: Job, workers: int) -> Executor:
    if workers == 1 or job.in_process:
        return ThreadPoolExecutor(workers, initializer=_start, initargs=(job, False))
    context = get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(job, True))


def _stream(executor: Executor, units: Iterable[Unit], ahead: int) -> Iterator[list[FamilyResult]]:
    """Keep a few units in flight, so that an interruption waits for little and memory stays bounded."""
    queue = iter(units)
    with _ignoring_interrupts():
        flying: set[Future[list[FamilyResult]]] = {executor.submit(_work, unit) for unit in islice(queue, ahead)}
    while flying:
        ready, flying = wait(flying, return_when=FIRST_COMPLETED)
        for future in ready:
            yield future.result()
        flying |= {executor.submit(_work, unit) for unit in islice(queue, len(ready))}


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes started in this block never see Ctrl-C, not even while they import: it goes to the parent alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Blocked, not ignored: what they inherit is the same, and a Ctrl-C of this moment reaches the parent after it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(executor: Executor) -> None:
    processes = list((getattr(executor, "_processes", None) or {}).values())
    executor.shutdown(wait=isinstance(executor, ThreadPoolExecutor), cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


ENGINES: dict[str, Callable[[Job, Iterable[Unit], int], Iterator[list[FamilyResult]]]] = {"local": run_local}
