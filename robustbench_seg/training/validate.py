"""Clean metrics of a model over a data set, from the same statistics as the benchmark's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from robustbench_seg.float32 import tf32
from robustbench_seg.tasks.base import Statistics, Task, rescaled
from robustbench_seg.tasks.depth_align import NONE, DepthAlign
from robustbench_seg.training.batches import Batch, Source
from robustbench_seg.transfer import fetch

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Check:
    """What a network is measured on; `depth_align` how its depth is (see `LoadedModel`).

    `prefix` sets its columns in the log apart from those of other checks.
    """

    source: Source
    depth_align: DepthAlign = NONE
    prefix: str = ""


def validate(module: nn.Module, check: Check, device: torch.device, size: int = 4) -> Scores:
    """`{task: {metric: value}}` of the source's tasks at full resolution; the model's mode is left as it was."""
    source = check.source
    tasks, count = list(source.made.values()), len(source.dataset.classes)
    statistics: dict[str, list[Statistics]] = {task.name: [] for task in tasks}
    training = module.training
    module.eval()
    with torch.inference_mode(), tf32(False):
        for start in range(0, len(source.dataset), size):
            items = [source.read(i) for i in range(start, min(start + size, len(source.dataset)))]
            batch = Batch(*source.collate(items)).to(device)
            outputs, labels = module(batch.images), batch.labels
            raw = {}
            for task in tasks:
                seen = rescaled(task, outputs, labels, check.depth_align)
                raw[task.name] = task.raw_statistics(seen, labels, count)
            raw = fetch(raw)
            for task in tasks:
                statistics[task.name] += task.image_statistics(raw[task.name], labels, count)
    module.train(training)
    return {task.name: _overall(task, statistics[task.name]) for task in tasks}


def _overall(task: Task, statistics: list[Statistics]) -> dict[str, float]:
    values = task.values(statistics, np.ones((1, len(statistics))), task.scored(statistics))
    return {name: float(value[0]) for name, value in values.overall.items()}
