"""A worker: the images of a work item read, batched by size, and swept by every attack configuration still to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from robustbench_seg.evaluation.batch import Batch, collate, read_sample
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.guard import Guard
from robustbench_seg.evaluation.job import Job, Pictures
from robustbench_seg.evaluation.memory import enough_memory, is_out_of_memory
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.sweep import AttackSweep, Run, merged
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.float32 import set_tf32
from robustbench_seg.registry import described, load_plugin
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult


class Worker:
    """Does the work items of a job, one at a time. `name` is `host:pid`; `workplace` is what is loaded already."""

    def __init__(self, job: Job, workplace: Workplace | None = None) -> None:
        for plugin in job.config.plugins:
            load_plugin(plugin)
        torch.set_num_threads(job.plan.threads)
        set_tf32(False)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._job = job
        self._workplace = workplace or Workplace(job.config, job.execution)
        self._reading: dict[WorkItem, Future[Images]] = {}
        self._begun: set[WorkItem] = set()
        self._bound: set[int] = set()
        self._reader = ThreadPoolExecutor(1)

    def run(self, work_item: WorkItem) -> list[SweepResult]:
        """Return the results of one work item."""
        context = self._context(work_item.pair)
        self._begun.add(work_item)
        # Every image is read in the one thread: data sets need not stand two.
        reading = self._reading.pop(work_item, None) or self._reader.submit(read, context, work_item.images)
        with enough_memory("a batch was made"):
            return work_on(context, work_item, _read_by(reading, context, work_item), self._job.pictures, self.name)

    def announce(self, work_item: WorkItem) -> None:
        """Decode or render the images of a work item, and put them on the device, while another one is computed."""
        context = self._workplace.known(self._job.plan.pairs[work_item.pair])
        if context is not None and work_item not in self._begun:
            self._reading[work_item] = self._reader.submit(read, context, work_item.images)

    def _context(self, pair: int) -> WorkerContext:
        """The context of a pair, whose attacks are run with what was fitted."""
        context = self._workplace.context(self._job.plan.pairs[pair])
        if pair not in self._bound:
            fitted = self._job.artefacts.items()
            context.bind({(fit.configuration, fit.epsilon): data for fit, data in fitted if fit.pair == pair})
            self._bound.add(pair)
        return context

    def close(self) -> None:
        """Read nothing more, and leave undone what has not begun."""
        self._reader.shutdown(cancel_futures=True)
        self._workplace.close()


@dataclass(frozen=True)
class Images:
    """The images of a work item as batches on the device, and the records of those that could not be read."""

    batches: Sequence[Batch]
    broken: Sequence[ImageResult]


def _read_by(reading: Future[Images], context: WorkerContext, work_item: WorkItem) -> Images:
    """What was read ahead; read again where a batch found no place beside the attack."""
    try:
        return reading.result()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    return read(context, work_item.images)


def read(context: WorkerContext, images: Sequence[int]) -> Images:
    """Read images and put them on the device; one that cannot be read fails, the others continue."""
    samples, broken = [], []
    for index in images:
        try:
            samples.append((index, read_sample(context.dataset, index, context.tasks)))
        except (Exception, SystemExit) as error:
            broken.append(ImageResult(index, error=described(error)))
    device, alignment = context.execution.device, context.pair.alignment
    return Images(collate(context.dataset, samples, context.tasks, alignment, device), broken)


def work_on(
    context: WorkerContext, work_item: WorkItem, images: Images, pictures: Pictures, worker: str = ""
) -> list[SweepResult]:
    """Return every configuration still to do of a work item; the model's state is as before when it ends or raises."""
    started = []
    with context.target_model.frozen():
        guard = Guard(context)
        sweeps = [AttackSweep(context, batch, pictures) for batch in images.batches]
        for sweep in sweeps:
            sweep.share([context.attacks[index] for index in work_item.configurations])
        for index in work_item.configurations:
            attack = context.attacks[index]
            started.append((index, [sweep.start(attack) for sweep in sweeps]))
            guard.look(sweeps, f"{attack.configuration.label} {attack.configuration.objective}".rstrip())
        results = [_result(context, work_item, index, images.broken, runs, worker) for index, runs in started]
        # Where records could not be made, images were attacked again.
        guard.look(sweeps)
        guard.refuse_changes()
    return results


def _result(
    context: WorkerContext,
    work_item: WorkItem,
    index: int,
    broken: Sequence[ImageResult],
    runs: Sequence[Run],
    worker: str,
) -> SweepResult:
    unread = [CellResult(epsilon, tuple(broken)) for epsilon, _ in context.pair.configurations[index].cells]
    cells = tuple(merged(unread, [run.cells() for run in runs]))
    return SweepResult(work_item.pair, index, work_item.shard, cells, worker)
