"""The work on one work item: its images read, batched by size, every attack configuration over its grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from robustbench_seg.data.base import Sample
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.batch import collate
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.sweep import AttackSweep, merged, version
from robustbench_seg.registry import one_line
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult

State = list[tuple[int, float]]


@dataclass(frozen=True)
class Read:
    """The images of a work item that could be read, by index, and the records of those that could not."""

    samples: Sequence[tuple[int, Sample]]
    broken: Sequence[ImageResult]


def read(context: WorkerContext, images: Sequence[int]) -> Read:
    """An image that cannot be read fails, the others go on."""
    samples, broken = [], []
    for index in images:
        try:
            samples.append((index, context.dataset[index]))
        except (Exception, SystemExit) as error:
            broken.append(ImageResult(index, error=one_line(error)))
    return Read(samples, broken)


def work_on(context: WorkerContext, work_item: WorkItem, found: Read) -> list[SweepResult]:
    """Every configuration still to do for this work item. The model's state is as before when it returns or raises."""
    batches = collate(found.samples, context.tasks, context.pair.alignment, context.settings.kernels.device)
    before = _state(context.target_model.module)
    with context.target_model.frozen():
        works = [AttackSweep(context, batch) for batch in batches]
        for work in works:
            work.share([context.pair.configurations[index] for index in work_item.configurations])
        return [
            _configuration(context, work_item, index, works, found.broken, before) for index in work_item.configurations
        ]


def _configuration(
    context: WorkerContext,
    work_item: WorkItem,
    index: int,
    works: Sequence[AttackSweep],
    broken: Sequence[ImageResult],
    before: State,
) -> SweepResult:
    configuration = context.pair.configurations[index]
    parts = [work.configuration(configuration) for work in works]
    name = f"{context.model.name} under {configuration.attack} {configuration.objective}".rstrip()
    if _state(context.target_model.module) != before:
        raise InputError(f"{name}: weights or buffers of the model changed in evaluation; mend the model or attack")
    if any(work.is_written for work in works):
        raise InputError(f"{name}: a goal or loss wrote into labels or clean outputs; let it work on a clone")
    empty = [CellResult(epsilon, tuple(broken)) for epsilon in configuration.epsilons]
    return SweepResult(work_item.pair, index, work_item.shard, tuple(merged(empty, parts)))


def _state(module: nn.Module) -> State:
    """Of each floating-point weight and buffer how often it was written to, and its sum.

    All that follows a change would be of another model. Some writes leave the version as it is (through `.data`, or a
    buffer that is replaced), others the sum.
    """
    state = (value.detach() for value in itertools.chain(module.parameters(), module.buffers()))
    return [(version(value), float(value.double().sum().nan_to_num())) for value in state if value.is_floating_point()]
