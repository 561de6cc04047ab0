"""The engine `ray`: workers as Ray actors, on this machine or on every machine of a cluster."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from robustbench_seg.allocator import keep_freed_memory
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.engines.base import Engine, Results
from robustbench_seg.evaluation.engines.scheduler import schedule
from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.worker import Worker
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.registry import one_line

# Read while Ray is imported, and by what it starts. What Ray would print goes to its log files alone.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Ray lowers the priority of its workers by 15; local ones have this process's.
os.environ.setdefault("RAY_worker_niceness", "0")
# A cluster that has gone is known as such in a minute or two, not after twenty tries.
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise UsageError(f"engine 'ray' needs Ray ({one_line(error)}); pip install 'robustbench-seg[ray]'") from error

_ASIDE = "aside"

_init = partial(ray.init, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


def run_ray(job: Job, work_items: Sequence[WorkItem], workers: int, here: Workplace) -> Iterator[Results]:
    """Yield results as they are ready, from actors on the cluster that Ray finds, else on this machine.

    Raises InputError where the cluster cannot be reached or has no place for a worker.
    """
    here.leave()
    with _cluster(workers * job.plan.threads):
        resources = _resources(job, workers)
        shared = ray.put(_on_any_gpu(job))
        yield from schedule(job, work_items, workers, partial(_Actor, shared, resources))


class _Actor:
    """A worker as an actor; Ray finds a place for it."""

    def __init__(self, job: Any, resources: dict[str, float]) -> None:
        # Announcements are heard while a work item is computed.
        made = ray.remote(concurrency_groups={_ASIDE: 1})(_RemoteWorker)
        self._actor = made.options(**resources).remote(job, str(Path.cwd()))
        self.ready: Future[str] = _future(self._actor.begin.remote())

    def submit(self, work_item: WorkItem) -> Future[Results]:
        self._actor.announce.options(concurrency_group=_ASIDE).remote(work_item)
        return _future(self._actor.run.remote(work_item))

    def stop(self) -> None:
        ray.kill(self._actor)


class _RemoteWorker:
    """What runs in the actor. The worker begins in a task, whose errors come back as they are."""

    def __init__(self, job: Job, folder: str) -> None:
        keep_freed_memory()
        self._job = job
        self._folder = folder

    def begin(self) -> str:
        """Make the worker, in the folder that relative paths are meant from; its name."""
        with contextlib.suppress(OSError):
            os.chdir(self._folder)
        self._worker = Worker(self._job)
        return self._worker.name

    def announce(self, work_item: WorkItem) -> None:
        """A work item that will be run."""
        self._worker.announce(work_item)

    def run(self, work_item: WorkItem) -> Results:
        """The results of one work item."""
        return self._worker.run(work_item)


def _future(reference: Any) -> Future[Any]:
    """A future of an actor's answer: its own exceptions as they are, the loss of the actor as BrokenExecutor."""
    answer: Future[Any] = Future()
    answer.set_running_or_notify_cancel()  # what is with an actor cannot be taken back

    def settle(inner: Future[Any]) -> None:
        error = inner.exception()
        if error is None:
            answer.set_result(inner.result())
        elif isinstance(error, RayTaskError):
            answer.set_exception(error.cause)
        elif isinstance(error, RayError):
            lines = str(error).strip().splitlines() or [type(error).__name__]
            answer.set_exception(BrokenExecutor(lines[-1].strip()))
        else:
            answer.set_exception(error)

    reference.future().add_done_callback(settle)
    return answer


@contextlib.contextmanager
def _cluster(cpus: int) -> Iterator[None]:
    """Ray at hand: as the caller has set it up, else the cluster it finds, else one of `cpus` on this machine."""
    if ray.is_initialized():
        yield
        return
    try:
        start(cpus)
    except (ConnectionError, RuntimeError, ValueError, OSError, RayError) as error:
        where = os.environ.get("RAY_ADDRESS") or "this machine"
        raise InputError(
            f"Ray on {where} cannot be used: {one_line(error)[:300]}; "
            "correct RAY_ADDRESS ('local': this machine) or RAY_AUTH_MODE"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def start(cpus: int) -> None:
    """Join the cluster Ray finds, else start one of `cpus` on this machine."""
    _knock(os.environ.get("RAY_ADDRESS", ""))
    # A cluster is what RAY_ADDRESS or `ray start` says. Not address="auto": that would join the private one of
    # another run, which ends with it.
    try:
        _init(num_cpus=None if "://" in os.environ.get("RAY_ADDRESS", "") else cpus)
    except ValueError:  # a cluster is there, and its CPUs are not ours to count
        _init()


def _knock(address: str) -> None:
    """OSError where nobody listens at `host:port`; Ray itself would try for long."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "://" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _resources(job: Job, workers: int) -> dict[str, float]:
    """What an actor takes: the CPUs of its threads; on a GPU an even share of one.

    Raises InputError where no machine of the cluster has as much.
    """
    needed: dict[str, float] = {"CPU": job.plan.threads}
    if job.execution.device != "cpu":
        gpus = ray.cluster_resources().get("GPU", 0)
        needed = {"CPU": 1, "GPU": 1 / max(1, math.ceil(workers / max(1, gpus)))}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(what, 0) >= count for what, count in needed.items()) for node in nodes):
        listed = ", ".join(f"{count:g} {what}" for what, count in needed.items())
        raise InputError(f"no machine of the Ray cluster has what a worker needs ({listed}); add one that has")
    return {f"num_{what.lower()}s": count for what, count in needed.items()}


def _on_any_gpu(job: Job) -> Job:
    """An actor sees its own GPU alone, so that a device's number means nothing to it."""
    return replace(job, execution=replace(job.execution, device=job.execution.device.partition(":")[0]))


RAY = Engine(run_ray, remote=True)
