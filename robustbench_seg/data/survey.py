"""A look at a data set before any model: what is there, how often each class occurs, and what may be wrong with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from robustbench_seg.data.base import Dataset, Sample, label_of
from robustbench_seg.errors import RobustsegError
from robustbench_seg.registry import described, some
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.registry import load_tasks
from robustbench_seg.tasks.surveys import Survey


@dataclass
class DataSurvey:
    """What was seen of a data set.

    `sizes` counts images by (H,W), `labels` holds what was counted by label key, `readable` the indices of the images
    that could be read, `unreadable` why not by the id of the others, `plain` the images of a single colour and `twins`
    those that are byte for byte another one.
    """

    dataset: Dataset
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    labels: dict[str, Survey] = field(default_factory=dict)
    readable: list[int] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)
    twins: dict[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many images were looked at."""
        return len(self.readable) + len(self.unreadable)

    @property
    def notes(self) -> list[str]:
        """What may be wrong, each in a line."""
        if not self.readable:
            return []
        twins = [f"{twin} = {first}" for twin, first in self.twins.items()]
        return [
            *([f"images of a single colour: {some(self.plain)}"] if self.plain else []),
            *([f"images that are the same: {some(twins)}"] if twins else []),
            *(f"{key}: {note}" for key, survey in self.labels.items() for note in survey.notes),
        ]

    def facts(self) -> dict[str, Any]:
        """Everything, for machines."""
        data = self.dataset
        return {
            "name": data.name,
            "split": data.split,
            "splits": list(data.splits),
            "images": len(data),
            "seen": self.seen,
            "groups": len(set(data.groups)),
            "sizes": [{"height": h, "width": w, "images": count} for (h, w), count in self.sizes.most_common()],
            "files": dict(data.sources()),
            "tasks": list(data.tasks),
            "labels": {key: survey.facts() for key, survey in self.labels.items()},
            "unreadable": self.unreadable,
            "notes": self.notes,
        }


def survey(
    dataset: Dataset, limit: int | None = None, report: Callable[[int, int], None] = lambda done, total: None
) -> DataSurvey:
    """Look at the first `limit` images (None: all) and their labels; `report` is told how many are done, of how many.

    What cannot be read is noted, and the rest goes on. UsageError where the data set has a task that is not registered.
    """
    found = DataSurvey(dataset)
    tasks = labelled(dataset)
    found.labels = {key: task.survey(dataset.class_set(task.name)) for key, task in tasks.items()}
    first: dict[bytes, str] = {}
    total = len(dataset) if limit is None else min(limit, len(dataset))
    for index in range(total):
        try:
            sample = dataset[index]
            known = {key: label_of(dataset, sample, task.name, key) for key, task in tasks.items()}
            for key, label in known.items():
                found.labels[key].add(sample.id, label)
            _look_at(sample, first, found)
            found.readable.append(index)
        except RobustsegError as error:
            found.unreadable[dataset.ids[index]] = str(error)
        except Exception as error:  # a plugin's data set raises anything
            found.unreadable[dataset.ids[index]] = described(error)
        report(index + 1, total)
    return found


def labelled(dataset: Dataset) -> dict[str, Task]:
    """A task for every label that the samples have, by its key: tasks that share one are one here."""
    tasks: dict[str, Task] = {}
    for task in load_tasks(dataset.tasks).values():
        tasks.setdefault(task.label_key, task)
    return tasks


def _look_at(sample: Sample, first: dict[bytes, str], found: DataSurvey) -> None:
    image = sample.image
    found.sizes[image.shape[:2]] += 1
    if (image == image[:1, :1]).all():
        found.plain.append(sample.id)
        return
    digest = hashlib.sha256(image.tobytes()).digest()
    if first.setdefault(digest, sample.id) != sample.id:
        found.twins[sample.id] = first[digest]
