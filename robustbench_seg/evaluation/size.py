"""How much of the store one image takes, measured on the first one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch

from robustbench_seg.evaluation.batch import Batch
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.scoring import Cell, Scorer
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.records import ImageResult

_ROW_BYTES = 120
"""Of a row beside the bytes packed into it: keys, numbers, index; as measured."""
_NOISE = 4 / 255


@dataclass(frozen=True)
class Size:
    """Bytes of one image in one cell: what is measured in all tasks, and the pictures of an image that has some."""

    results: float
    pictures: float


def measure_size(context: WorkerContext) -> Size:
    """Score the first image under noise, and draw it; nothing where it cannot be scored."""
    with contextlib.suppress(Exception), context.target_model.frozen():
        return size_of(_record(context, context.first))
    return Size(0.0, 0.0)


def size_of(record: ImageResult) -> Size:
    """What a record takes."""
    packed = [len(data) + _ROW_BYTES for data in record.statistics.values()]
    return Size(_ROW_BYTES + sum(packed), sum(map(len, record.pngs.values())))


def _record(context: WorkerContext, batch: Batch) -> ImageResult:
    # Noise alone is as hard to compress as an attack gets.
    noise = torch.randn(batch.images.shape, generator=torch.Generator().manual_seed(0)).to(batch.images.device)
    images = (batch.images + _NOISE * noise).clamp(0, 1)
    drawn = Cell(AttackConfiguration("", "", "", (1.0,)), 1.0)
    scorer = Scorer(context, batch, Pictures(batch.indices))
    (record,) = scorer.score(drawn, images, context.target_model.outputs(images)).result()
    return record
