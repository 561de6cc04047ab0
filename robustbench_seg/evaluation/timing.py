"""How long one image takes on a pair, measured on a batch as the work has them."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.batch import Batch
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.scoring import Cell, Scorer
from robustbench_seg.models.cost import typical_seconds

_LOSSES = 4
"""How many losses are timed at most."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one image: a forward, a gradient (with its forward), the score of a cell (without its forward).

    A gradient is that of the attacks' own losses, on average.
    """

    forward: float
    gradient: float
    score: float


def measure_timing(context: WorkerContext, count: int) -> Timing:
    """Time batches of `count` times the first image, or of fewer where so many fail at once.

    One image alone would say too much: a small network is half as fast on it, and its first run slower still.
    """
    while True:
        try:
            return _timing(context, context.first_images(count))
        except Exception:
            if count == 1:
                raise
            count //= 2


def _timing(context: WorkerContext, batch: Batch) -> Timing:
    device, count = context.execution.device, len(batch)
    with context.target_model.frozen():
        forward = typical_seconds(partial(context.target_model.outputs, batch.images), device)
        own = [gradient for attack in _attacks(context) if (gradient := _gradient_seconds(context, batch, attack))]
        gradient = statistics.fmean(own) if own else typical_seconds(partial(context.gradient, batch), device)
        return Timing(forward / count, gradient / count, _score_seconds(context, batch) / count)


def _attacks(context: WorkerContext) -> list[ConfiguredAttack]:
    """A few of those that take gradients, each of another loss: some losses take half as long as a small network."""
    by_loss: dict[Hashable, ConfiguredAttack] = {}
    for attack in context.attacks:
        if attack.num_gradients:
            by_loss.setdefault(attack.loss_key, attack)
    return list(by_loss.values())[:_LOSSES]


def _gradient_seconds(context: WorkerContext, batch: Batch, attack: ConfiguredAttack) -> float:
    """Of a batch; 0 where the attack cannot be asked: where it fails, or is fitted first."""
    with contextlib.suppress(Exception):
        loss = attack.adversarial_loss(context.reference(batch, context.target_model.outputs(batch.images)))
        # Not the images themselves, at which a gradient is taken but once.
        gradient = partial(context.under_attack(batch, loss).gradient, batch.images.clone())
        return typical_seconds(gradient, context.execution.device)
    return 0.0


def _score_seconds(context: WorkerContext, batch: Batch) -> float:
    """Of a batch; 0 where it cannot be scored, which is a failure of cells and not of the run."""
    outputs = context.target_model.outputs(batch.images)
    cell = Cell(context.pair.configurations[0], None)
    score = partial(Scorer(context, batch, Pictures()).score, cell, batch.images, outputs)
    with contextlib.suppress(Exception):
        return typical_seconds(score, context.execution.device)
    return 0.0
