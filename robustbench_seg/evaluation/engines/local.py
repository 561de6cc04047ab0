"""The engine `local`: this machine's cores, as processes or as threads of this one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, repeat
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess

import torch

from robustbench_seg.allocator import keep_freed_memory
from robustbench_seg.evaluation.engines.base import Engine, Results
from robustbench_seg.evaluation.engines.scheduler import Handle, schedule
from robustbench_seg.evaluation.engines.start_method import METHOD, ignoring_interrupts, warm_up
from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.worker import Worker
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.float32 import tf32


def run_local(job: Job, work_items: Sequence[WorkItem], workers: int, here: Workplace) -> Iterator[Results]:
    """Yield the results of the work items as they are ready.

    Workers are threads where the job stays in this process, and for a single one without a time limit; else processes.
    """
    if job.config.in_process or (workers == 1 and job.timeout is None):
        # One of them takes what is loaded here; a model serves one worker at a time.
        start: Callable[[], Handle] = partial(_Thread, job, chain([here], repeat(None)))
    else:
        here.leave()
        start = partial(_Process, job)
    before = torch.get_num_threads()
    try:
        with tf32(False):
            yield from schedule(job, work_items, workers, start)
    finally:
        torch.set_num_threads(before)


class _Thread:
    """A worker in a thread of this process: it cannot die alone, and stopping waits for the work item it has begun."""

    def __init__(self, job: Job, loaded: Iterator[Workplace | None]) -> None:
        self._job = job
        self._loaded = next(loaded)
        self._executor = ThreadPoolExecutor(1)
        self.ready = self._executor.submit(self._begin)

    def submit(self, work_item: WorkItem) -> Future[Results]:
        self._worker.announce(work_item)
        return self._executor.submit(lambda: self._worker.run(work_item))

    def stop(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        if hasattr(self, "_worker"):
            self._worker.close()

    def _begin(self) -> str:
        self._worker = Worker(self._job, self._loaded)
        return self._worker.name


class _Process:
    """A worker in its own process."""

    def __init__(self, job: Job) -> None:
        warm_up()
        self._executor = ProcessPoolExecutor(1, get_context(METHOD), _watch_parent)
        with ignoring_interrupts():
            self.ready = self._executor.submit(_begin, job)

    def submit(self, work_item: WorkItem) -> Future[Results]:
        try:
            return self._executor.submit(_work, work_item)
        except BrokenProcessPool as error:
            refused: Future[Results] = Future()
            refused.set_exception(error)
            return refused

    def stop(self) -> None:
        processes = list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


_in_process: list[Worker] = []
"""The worker of this process, where the process is one."""


def _begin(job: Job) -> str:
    keep_freed_memory()
    _in_process.append(Worker(job))
    return _in_process[0].name


def _work(work_item: WorkItem) -> Results:
    return _in_process[0].run(work_item)


def _watch_parent() -> None:
    """End with a parent that was killed."""
    threading.Thread(target=_die_with, args=(parent_process(),), daemon=True).start()


def _die_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


LOCAL = Engine(run_local)
