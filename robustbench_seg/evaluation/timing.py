"""How long one image takes on a pair, measured on a batch as the work has them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial

from robustbench_seg.evaluation.batch import Batch
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.scoring import Cell, Scorer
from robustbench_seg.models.cost import typical_seconds


@dataclass(frozen=True)
class Timing:
    """Seconds of one image: a forward, a gradient (with its forward), the score of a cell (without its forward)."""

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
        gradient = typical_seconds(partial(context.gradient, batch), device)
        return Timing(forward / count, gradient / count, _score_seconds(context, batch) / count)


def _score_seconds(context: WorkerContext, batch: Batch) -> float:
    """Of a batch; 0 where it cannot be scored, which is a failure of cells and not of the run."""
    outputs = context.target_model.outputs(batch.images)
    cell = Cell(context.pair.configurations[0], None)
    score = partial(Scorer(context, batch, Pictures()).score, cell, batch.images, outputs, None)
    with contextlib.suppress(Exception):
        return typical_seconds(score, context.execution.device)
    return 0.0
