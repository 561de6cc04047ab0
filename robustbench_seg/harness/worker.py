"""The work on one unit: its images read, batched by size, every family of attacks over its grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from robustbench_seg.data.base import Sample
from robustbench_seg.errors import InputError
from robustbench_seg.harness.batch import collate
from robustbench_seg.harness.context import PairContext
from robustbench_seg.harness.families import BatchWork, merged, version
from robustbench_seg.harness.plan import Unit
from robustbench_seg.harness.results import CellResult, FamilyResult, ImageResult
from robustbench_seg.registry import one_line

State = list[tuple[int, float]]


@dataclass(frozen=True)
class Read:
    """The images of a unit that could be read, by index, and the records of those that could not."""

    samples: Sequence[tuple[int, Sample]]
    broken: Sequence[ImageResult]


def read(context: PairContext, images: Sequence[int]) -> Read:
    """An image that cannot be read fails, the others go on."""
    samples, broken = [], []
    for index in images:
        try:
            samples.append((index, context.dataset[index]))
        except (Exception, SystemExit) as error:
            broken.append(ImageResult(index, error=one_line(error)))
    return Read(samples, broken)


def work_on(context: PairContext, unit: Unit, found: Read) -> list[FamilyResult]:
    """Every family still to do for this unit. The model's state is as before when it returns or raises."""
    batches = collate(found.samples, context.tasks, context.pair.alignment, context.settings.kernels.device)
    before = _state(context.victim.module)
    with context.victim.frozen():
        works = [BatchWork(context, batch) for batch in batches]
        for work in works:
            work.share([context.pair.families[index] for index in unit.families])
        return [_family(context, unit, index, works, found.broken, before) for index in unit.families]


def _family(
    context: PairContext,
    unit: Unit,
    index: int,
    works: Sequence[BatchWork],
    broken: Sequence[ImageResult],
    before: State,
) -> FamilyResult:
    family = context.pair.families[index]
    parts = [work.family(family) for work in works]
    name = f"{context.model.name} under {family.attack} {family.objective}".rstrip()
    if _state(context.victim.module) != before:
        raise InputError(f"{name}: weights or buffers of the model changed in evaluation; mend the model or attack")
    if any(work.is_written for work in works):
        raise InputError(f"{name}: a goal or loss wrote into labels or clean outputs; let it work on a clone")
    empty = [CellResult(epsilon, tuple(broken)) for epsilon in family.epsilons]
    return FamilyResult(unit.pair, index, unit.chunk, tuple(merged(empty, parts)))


def _state(module: nn.Module) -> State:
    """Of each floating-point weight and buffer how often it was written to, and its sum.

    All that follows a change would be of another model. Some writes leave the version as it is (through `.data`, or a
    buffer that is replaced), others the sum.
    """
    state = (value.detach() for value in itertools.chain(module.parameters(), module.buffers()))
    return [(version(value), float(value.double().sum().nan_to_num())) for value in state if value.is_floating_point()]
