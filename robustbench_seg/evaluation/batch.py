"""Batches: samples as tensors in the classes of one pair, and what is known of them before any attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robustbench_seg.classes import Alignment, ClassSet
from robustbench_seg.data.base import Dataset, Sample, label_of
from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.evaluation.stored import from_bytes
from robustbench_seg.registry import described
from robustbench_seg.tasks.base import Labels, Outputs, RawStatistics, Statistics, Task, rescaled
from robustbench_seg.tasks.registry import load_tasks
from robustbench_seg.transfer import placed


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of one size: `indices` in the data set, `ids`, `clips`, images (N,3,H,W) in [0,1], labels by task key."""

    indices: tuple[int, ...]
    ids: tuple[str, ...]
    clips: tuple[str, ...]
    images: Tensor
    labels: Labels

    def __len__(self) -> int:
        return len(self.indices)

    def halves(self) -> tuple[Batch, Batch]:
        """The first and the second half of the images."""
        middle = len(self) // 2
        return self.part(slice(middle)), self.part(slice(middle, None))

    def part(self, part: slice) -> Batch:
        """Some of the images."""
        labels = {key: value[part] for key, value in self.labels.items()}
        return Batch(self.indices[part], self.ids[part], self.clips[part], self.images[part], labels)


def read_sample(dataset: Dataset, index: int, tasks: Mapping[str, Task]) -> Sample:
    """The sample with the labels that the tasks look at, all of them read now, and no others."""
    sample = dataset[index]
    keys = {task.label_key for task in _labelled(tasks, sample).values()}
    return replace(sample, labels={key: sample.labels[key] for key in keys if key in sample.labels})


def first_sample(dataset: Dataset, tasks: Mapping[str, Task] | None = None) -> tuple[int, Sample]:
    """The first image that can be read with the labels of the tasks, and its index; InputError where none can."""
    problem: BaseException | None = None
    for index in range(len(dataset)):
        try:
            return index, read_sample(dataset, index, tasks or {})
        except (Exception, SystemExit) as error:
            problem = problem or error
    # What the project itself says of a file is a sentence and needs no name of its kind.
    said = str(problem) if isinstance(problem, RobustsegError) else described(problem) if problem else ""
    reason = said or "it is empty"
    raise InputError(f"data set '{dataset.name}' has no image that can be read: {reason}") from problem


def collate(
    dataset: Dataset,
    samples: Sequence[tuple[int, Sample]],
    tasks: Mapping[str, Task],
    alignment: Alignment | None,
    device: str,
) -> list[Batch]:
    """Batches of equal image size, in the order of the samples; labels renumbered into the pair's classes.

    InputError where a sample has no label of one of the tasks.
    """
    by_size: dict[tuple[int, ...], list[tuple[int, Sample]]] = {}
    for index, sample in samples:
        by_size.setdefault(sample.image.shape, []).append((index, sample))
    return [_stack(dataset, group, tasks, alignment, device) for group in by_size.values()]


def _stack(
    dataset: Dataset,
    samples: Sequence[tuple[int, Sample]],
    tasks: Mapping[str, Task],
    alignment: Alignment | None,
    device: str,
) -> Batch:
    images = torch.from_numpy(np.stack([sample.image for _, sample in samples]))
    labels = {
        key: _placed(
            task.batch_labels(
                [label_of(dataset, sample, task.name, task.label_key) for _, sample in samples],
                task.aligned(alignment),
            ),
            device,
        )
        for key, task in _labelled(tasks, samples[0][1]).items()
    }
    return Batch(
        tuple(index for index, _ in samples),
        tuple(sample.id for _, sample in samples),
        tuple(dataset.groups[index] for index, _ in samples),
        from_bytes(placed(images, device).permute(0, 3, 1, 2)).contiguous(),
        labels,
    )


def _placed(label: Any, device: str) -> Any:
    """A batch's label on the device, whatever it is made of."""
    return placed(label, device) if isinstance(label, Tensor) else label.to(device)


def _labelled(tasks: Mapping[str, Task], sample: Sample) -> dict[str, Task]:
    """Whose labels a batch has, by key: the tasks', and what else they look at where the data set has it."""
    read = load_tasks(dict.fromkeys(name for task in tasks.values() for name in task.reads)).values()
    others = {task.key: task for task in read if task.key in sample.labels}
    return others | {task.key: task for task in tasks.values()}


def raw_statistics(
    batch: Batch, outputs: Outputs, tasks: Mapping[str, Task], classes: ClassSet, depth_align: str
) -> dict[str, RawStatistics]:
    """What every task's statistics are made of, on the device; `classes` are those that tasks share."""
    return {
        name: task.raw_statistics(
            rescaled(task, outputs, batch.labels, depth_align),
            batch.labels,
            len(task.class_set(classes)),
        )
        for name, task in tasks.items()
    }


def image_statistics(
    batch: Batch, raw: Mapping[str, RawStatistics], tasks: Mapping[str, Task], classes: ClassSet
) -> list[dict[str, Statistics]]:
    """Statistics of every task, image by image, of what `raw_statistics` gave, brought to the host."""
    made = {
        name: task.image_statistics(raw[name], batch.labels, len(task.class_set(classes)))
        for name, task in tasks.items()
    }
    return [{name: statistics[i] for name, statistics in made.items()} for i in range(len(batch))]
