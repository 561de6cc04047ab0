"""A worker: the images of a work item read, batched by size, and swept by every attack configuration still to do."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import nn

from robustbench_seg.data.base import Sample
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.batch import collate
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Job, Pictures
from robustbench_seg.evaluation.memory import enough_memory
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.sweep import AttackSweep, merged, version
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.float32 import set_tf32
from robustbench_seg.registry import described, load_plugin
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult

State = list[tuple[int, float]]


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
            return work_on(context, work_item, reading.result(), self._job.pictures, self.name)

    def announce(self, work_item: WorkItem) -> None:
        """Decode or render the images of a work item that will be run while another one is computed."""
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
        """Read nothing more."""
        self._reader.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Images:
    """The images of a work item that could be read, by index, and the records of those that could not."""

    samples: Sequence[tuple[int, Sample]]
    broken: Sequence[ImageResult]


def read(context: WorkerContext, images: Sequence[int]) -> Images:
    """Read images; one that cannot be read fails, the others continue."""
    samples, broken = [], []
    for index in images:
        try:
            samples.append((index, context.dataset[index]))
        except (Exception, SystemExit) as error:
            broken.append(ImageResult(index, error=described(error)))
    return Images(samples, broken)


def work_on(
    context: WorkerContext, work_item: WorkItem, images: Images, pictures: Pictures, worker: str = ""
) -> list[SweepResult]:
    """Return every configuration still to do of a work item; the model's state is as before when it ends or raises."""
    batches = collate(context.dataset, images.samples, context.tasks, context.pair.alignment, context.execution.device)
    before = _state(context.target_model.module)
    results = []
    with context.target_model.frozen():
        sweeps = [AttackSweep(context, batch, pictures) for batch in batches]
        for sweep in sweeps:
            sweep.share([context.attacks[index] for index in work_item.configurations])
        for index in work_item.configurations:
            attack = context.attacks[index]
            parts = [sweep.run(attack) for sweep in sweeps]
            _refuse_changes(context, f"{attack.configuration.label} {attack.configuration.objective}", sweeps, before)
            unread = [CellResult(epsilon, tuple(images.broken)) for epsilon, _ in attack.configuration.cells]
            cells = tuple(merged(unread, parts))
            results.append(SweepResult(work_item.pair, index, work_item.shard, cells, worker))
    return results


def _refuse_changes(context: WorkerContext, attack: str, sweeps: Sequence[AttackSweep], before: State) -> None:
    """InputError where what all configurations share was changed by one of them."""
    name = f"{context.model.name} under {attack}".rstrip()
    if _state(context.target_model.module) != before:
        raise InputError(f"{name}: weights or buffers of the model changed in evaluation; mend the model or attack")
    if any(sweep.is_written for sweep in sweeps):
        raise InputError(f"{name}: an objective or loss wrote into labels or clean outputs; let it work on a clone")


def _state(module: nn.Module) -> State:
    """Of each floating-point weight and buffer how often it was written to, and its sum.

    All that follows a change would be of another model. Some writes leave the version as it is (through `.data`, or a
    buffer that is replaced), others the sum.
    """
    state = (value.detach() for value in itertools.chain(module.parameters(), module.buffers()))
    return [(version(value), float(value.double().sum().nan_to_num())) for value in state if value.is_floating_point()]
