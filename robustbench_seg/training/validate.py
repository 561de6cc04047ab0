"""Clean metrics of a model over a data set, from the same statistics as the benchmark's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.base import Statistics
from robustbench_seg.training.batches import Source, collate
from robustbench_seg.training.losses import TRAINED

Scores = dict[str, dict[str, float]]


def validate(module: nn.Module, source: Source, device: torch.device, batch: int = 4) -> Scores:
    """`{task: {metric: value}}` at full resolution; the model's training mode is left as it was."""
    num_classes = len(source.dataset.classes)
    statistics: dict[str, list[Statistics]] = {task: [] for task in source.tasks}
    present = np.zeros(num_classes, np.bool_)
    training = module.training
    module.eval()
    with torch.inference_mode():
        for start in range(0, len(source.dataset), batch):
            items = [source.read(i) for i in range(start, min(start + batch, len(source.dataset)))]
            images, labels = collate(items)
            labels = {key: label.to(device) for key, label in labels.items()}
            outputs = module(images.to(device))
            present |= _present(labels, num_classes)
            for task, found in statistics.items():
                found += TRAINED[task].task.statistics(outputs[task], labels, num_classes)
    module.train(training)
    return {task: _overall(task, found, present) for task, found in statistics.items()}


def _present(labels: Mapping[str, torch.Tensor], num_classes: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if "semantic" not in labels:
        return np.zeros(num_classes, np.bool_)
    label = labels["semantic"]
    return (torch.bincount(label[label != VOID], minlength=num_classes) > 0).cpu().numpy()


def _overall(
    task: str, statistics: list[Statistics], present: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> dict[str, float]:
    values = TRAINED[task].task.values(statistics, np.ones((1, len(statistics))), present)
    return {name: float(value[0]) for name, value in values.overall.items()}
