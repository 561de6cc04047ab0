"""What a data set is: samples with image and labels of every task, by index, with ids and groups."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import InputError
from robustbench_seg.tasks.names import kind_of

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Sample:
    """One image with the labels of every task its data set has.

    `image` is (H,W,3) uint8 RGB. `labels` holds, by key: `semantic` (H,W) uint8 with void 255; `depth` (H,W)
    float32 metres with invalid 0; `normals` (3,H,W) float32 unit vectors in the camera frame with
    invalid 0; `edges` (H,W) uint8 in {0,1} with void 255; `instances`, a mapping of `boxes` (K,4) float32 xyxy px,
    `labels` (K,) int64, `masks` (K,H,W) bool, `depth` (K,) float32 median metres (0 where unknown) and, where there are
    any, `crowd` (K,) bool, regions of several instances that are not told apart, and, where not all sizes count,
    `smallest` (2,), px of the longer side of a box and pixels of a mask; any other task's label under that task's
    `key`: of one of several tasks of a kind its name, such as `semantic[lanes]`. Labels may be computed where they are
    asked for.
    `camera` holds what video methods need: `intrinsics` (3,3) and `pose` (4,4), camera to world.
    """

    id: str
    image: npt.NDArray[np.uint8]
    labels: Mapping[str, object]
    camera: Mapping[str, Array] | None = None


class Dataset(ABC):
    """An indexed set of samples. Reading is pure: the same index gives the same sample in any process.

    `name` is how it was asked for, `classes` names the semantic ids, `tasks` the tasks it has labels
    for, `ids` one stable name an image (sorted; `--limit N` takes the first N), `groups` one clip name an image
    (consecutive ids of a group are consecutive frames), `terms` a line on licence and citation, `own_classes` the
    classes of tasks that are labelled in others than `classes`, by task, `split` which of its `splits` it is, where it
    knows.
    """

    name: str
    classes: ClassSet
    tasks: tuple[str, ...]
    ids: Sequence[str]
    groups: Sequence[str]
    terms: str = ""
    own_classes: Mapping[str, ClassSet] = {}
    split: str = ""
    splits: Sequence[str] = ()

    def class_set(self, task: str) -> ClassSet:
        """The classes that a task's labels are in."""
        return self.own_classes.get(task, self.classes)

    def labels_for(self, task: str) -> str | None:
        """The task whose labels one is measured against: its own, else those of its kind; None where it has neither."""
        return next((name for name in (task, kind_of(task)) if name in self.tasks), None)

    def __len__(self) -> int:
        return len(self.ids)

    def sources(self) -> Mapping[str, str]:
        """Where images and labels come from, in a few words by name; nothing where that says nothing."""
        return {}

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; raises InputError naming the file where it cannot be read."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hex digest of what the data is (file names, sizes and contents, or the generator's parameters)."""


def label_of(dataset: Dataset, sample: Sample, task: str, key: str) -> object:
    """The label of a task whose key is `key`; InputError where the sample has none."""
    if key not in sample.labels:
        raise InputError(
            f"data set {dataset.name} lists task '{task}' but sample '{sample.id}' has no label '{key}'; "
            f"put labels['{key}'] into its Sample, or take the task out of {type(dataset).__name__}.tasks"
        )
    return sample.labels[key]


@runtime_checkable
class Video(Protocol):
    """What a data set has besides whose frames have neighbours in time."""

    def neighbours(self, index: int) -> tuple[Sample, Sample]:
        """The previous and the next frame; only `image` and `camera` must be there. InputError where one is missing."""
