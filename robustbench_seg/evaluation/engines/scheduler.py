"""Give work items to workers and get results back, whatever becomes of the workers: one policy for every engine.

A worker that dies, or takes longer over a work item than it may, is replaced. The work item it had begun is tried
again, one configuration at a time, so that one that fails cannot take the others with it; what fails every time is
recorded as failed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.engines.base import Results
from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.plan import Pair, WorkItem
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult

TRIES = 3
"""How often a work item, or the start of a worker, is tried."""
HEARTBEAT_S = 1.0
"""After so long without a result the caller hears that there is none: it may have a clock to show."""
_AHEAD = 2
"""Work items a worker holds, so that it need not wait for the next; few, so that little is lost with it."""


class Handle(Protocol):
    """One worker, wherever it runs. It takes work items in order, one at a time.

    Its futures raise BrokenExecutor where the worker is gone, and what the worker raised otherwise.
    """

    @property
    def ready(self) -> Future[str]:
        """The worker's name, once it can take work items."""

    def submit(self, work_item: WorkItem) -> Future[Results]:
        """Take a work item; never raises itself."""

    def stop(self) -> None:
        """End the worker now, whatever it does. May be called again."""


def schedule(job: Job, work_items: Sequence[WorkItem], workers: int, start: Callable[[], Handle]) -> Iterator[Results]:
    """Yield all results that are ready together, and none every second or so; `start` makes a worker.

    All workers are stopped at the end. Raises what a worker raises, and InputError where workers die while they start.
    """
    todo = deque(_Task(work_item) for work_item in work_items)
    slots: list[_Slot] = []
    try:
        slots += (_Slot(start) for _ in range(min(workers, len(work_items))))
        while todo or any(slot.flying for slot in slots):
            _deal(todo, slots)
            _listen(slots, job.timeout)
            # Together, so that they can be stored together: many workers must not wait for a disk each.
            yield [result for slot in slots for result in slot.results()]
            for slot in slots:
                if reason := slot.lost(job.timeout):
                    yield from _again(job, todo, slot, reason)
    finally:
        for slot in slots:
            slot.cancel()
        for slot in slots:
            slot.handle.stop()


@dataclass(frozen=True)
class _Task:
    work_item: WorkItem
    tries: int = 1


class _Slot:
    """The place of one worker, which may be replaced: the tasks it holds, the first of them begun at `since`."""

    def __init__(self, start: Callable[[], Handle]) -> None:
        self._start = start
        self._starts = 0
        self.restart()

    def restart(self) -> None:
        """A fresh worker, with nothing to do."""
        self.handle = self._start()
        self.flying: deque[tuple[_Task, Future[Results]]] = deque()
        self.since = 0.0
        self.name = ""
        self._starts += 1

    @property
    def ready(self) -> bool:
        """Whether the worker can take work items; raises what it raised while it started."""
        if not self.handle.ready.done():
            return False
        try:
            self.name = self.handle.ready.result()
        except BrokenExecutor:
            return False
        self._starts = 0
        return True

    @property
    def head(self) -> Future[Any] | None:
        """What the worker is busy with."""
        if not self.ready:
            return self.handle.ready
        return self.flying[0][1] if self.flying else None

    def give(self, task: _Task) -> None:
        """Hand a task to the worker."""
        if not self.flying:
            self.since = time.monotonic()
        self.flying.append((task, self.handle.submit(task.work_item)))

    def results(self) -> Iterator[SweepResult]:
        """Of the tasks done, in order; not of one that failed, nor of those after it."""
        while self.flying and (future := self.flying[0][1]).done() and future.exception() is None:
            self.flying.popleft()
            self.since = time.monotonic()
            yield from future.result()

    def lost(self, timeout: float | None) -> str:
        """Why the worker must be replaced, empty where it need not; raises what it raised."""
        if not self.ready:
            return "the worker died while it started" if self.handle.ready.done() else ""
        if not self.flying:
            return ""
        begun = self.flying[0][1]
        if begun.done():
            error = begun.exception()
            if error is not None and not isinstance(error, BrokenExecutor):
                raise error
            return "the worker died (out of memory?)" if error else ""
        late = timeout is not None and time.monotonic() - self.since > timeout
        return f"the worker was stopped after {timeout:g} s" if late else ""

    def replace(self, reason: str) -> None:
        """Stop the worker and start another; InputError where that has been done in vain."""
        broken = self.handle.ready.exception() if self.handle.ready.done() else None
        if broken is not None and self._starts >= TRIES:
            raise InputError(f"{reason}, {TRIES} times in a row ({broken}); give the command again to resume")
        self.handle.stop()
        self.restart()

    def cancel(self) -> None:
        """Let nothing begin that has not."""
        for _, future in self.flying:
            future.cancel()


def _deal(todo: deque[_Task], slots: Sequence[_Slot]) -> None:
    """Give work items to workers that can take them; one each when few are left, so that none waits behind another."""
    for ahead in range(1, _AHEAD + 1):
        for slot in slots:
            if slot.ready and len(slot.flying) < ahead and len(todo) > (ahead - 1) * len(slots):
                slot.give(todo.popleft())


def _listen(slots: Sequence[_Slot], timeout: float | None) -> None:
    """Wait until a worker has something to say, or is silent for too long, or for a heartbeat."""
    begun = [slot.since for slot in slots if slot.flying]
    patience = HEARTBEAT_S
    if timeout is not None and begun:
        patience = min(patience, max(0.0, min(begun) + timeout - time.monotonic()) + 0.01)
    wait([head for slot in slots if (head := slot.head) is not None], patience, FIRST_COMPLETED)


def _again(job: Job, todo: deque[_Task], slot: _Slot, reason: str) -> Iterator[Results]:
    """Replace a lost worker and take its tasks back: the one it had begun counts as tried, the others do not."""
    begun, others = list(slot.flying)[:1], list(slot.flying)[1:]
    name = slot.name
    slot.replace(reason)
    todo.extendleft(task for task, _ in reversed(others))
    for task, _ in begun:
        if task.tries < TRIES:
            todo.extend(_Task(work_item, task.tries + 1) for work_item in task.work_item.by_configuration())
        else:
            pair = job.plan.pairs[task.work_item.pair]
            yield _failed(task.work_item, pair, f"{reason}, {TRIES} times in a row", name)


def _failed(work_item: WorkItem, pair: Pair, error: str, worker: str) -> Results:
    """A whole work item as failed images, for what no worker lived to tell."""
    images = tuple(ImageResult(image, error=error) for image in work_item.images)
    return [
        SweepResult(
            work_item.pair,
            configuration,
            work_item.shard,
            tuple(CellResult(epsilon, images) for epsilon, _ in pair.configurations[configuration].cells),
            worker,
        )
        for configuration in work_item.configurations
    ]
