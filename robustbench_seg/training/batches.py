"""Batches as a pure function of (recipe, data set, step): nothing to save, nothing to restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.data.base import Dataset, label_of
from robustbench_seg.errors import InputError
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.registry import load_tasks
from robustbench_seg.tasks.rules import LabelRule
from robustbench_seg.training.augment import augment, item_generator
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.transfer import placed

Item = tuple[Tensor, dict[str, Any]]
"""An image and its labels by key."""
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """Which items of a batch a process works on: the part number `index` of `count` equal ones."""

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[T]) -> list[tuple[int, T]]:
        """Its items, each with its place in the whole batch."""
        size = len(items) // self.count
        return list(enumerate(items))[self.index * size : (self.index + 1) * size]


WHOLE = Part()


@dataclass(frozen=True)
class Batch:
    """Images (N,3,h,w) in [0,1] and their labels by key."""

    images: Tensor
    labels: Mapping[str, Any]

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU can copy from by itself."""
        return Batch(self.images.pin_memory(), {key: label.pin_memory() for key, label in self.labels.items()})

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        labels = {key: placed(x, device) if isinstance(x, Tensor) else x.to(device) for key, x in self.labels.items()}
        return Batch(placed(self.images, device), labels)


class _Movable(Protocol):
    def pin_memory(self) -> Self: ...
    def to(self, device: torch.device) -> Self: ...


U = TypeVar("U", bound=_Movable)


@dataclass(frozen=True)
class Mixed(Generic[U]):
    """A batch with labels beside one without: images of a target, or clips."""

    labelled: Batch
    unlabelled: U

    def pin_memory(self) -> Mixed[U]:
        """The same in memory that a GPU can copy from by itself."""
        return Mixed(self.labelled.pin_memory(), self.unlabelled.pin_memory())

    def to(self, device: torch.device) -> Mixed[U]:
        """The same on another device."""
        return Mixed(self.labelled.to(device), self.unlabelled.to(device))


@dataclass
class Source:
    """A data set as tensors at `size` (H,W; None is that of the data), kept in memory where `cache` says so.

    `tasks` are those whose labels are read.
    """

    dataset: Dataset
    tasks: tuple[str, ...]
    cache: bool = False
    size: tuple[int, int] | None = None
    _kept: dict[int, Item] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in self.dataset.tasks:
                raise InputError(f"data set {self.dataset.name} has no labels for task {task!r}")

    @cached_property
    def made(self) -> dict[str, Task]:
        """The tasks by name."""
        return load_tasks(self.tasks)

    @cached_property
    def rules(self) -> dict[str, LabelRule]:
        """How each label follows its image, by key."""
        return {task.key: task.label_rule for task in self.made.values()}

    def __getitem__(self, index: int) -> Item:
        """Image (3,H,W) uint8 and labels as the rules read them."""
        if index in self._kept:
            return self._kept[index]
        sample = self.dataset[index]
        image = torch.from_numpy(np.array(sample.image)).permute(2, 0, 1).contiguous()
        keys = {name: task.key for name, task in self.made.items()}
        labels = {key: label_of(self.dataset, sample, name, key) for name, key in keys.items()}
        item = image, {key: self.rules[key].read(label) for key, label in labels.items()}
        if self.size:
            item = resized(*item, self.size, self.rules)
        if self.cache:
            self._kept[index] = item
        return item

    def read(self, index: int) -> Item:
        """Image (3,H,W) in [0,1] and labels as the losses want them."""
        image, labels = self[index]
        return image.float() / 255, self.finished(labels)

    def finished(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Labels as the losses want them."""
        return {key: self.rules[key].finish(label) for key, label in labels.items()}

    def collate(self, items: Sequence[Item]) -> Item:
        """Items as a batch."""
        labels = {key: rule.collate([item[1][key] for item in items]) for key, rule in self.rules.items()}
        return torch.stack([image for image, _ in items]), labels


def indices(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Which items make up batch `step`: epochs of fresh permutations, laid end to end."""
    positions = range(step * batch, (step + 1) * batch)
    epochs = {p // count for p in positions}
    orders = {epoch: np.random.default_rng((seed, epoch)).permutation(count) for epoch in epochs}
    return [int(orders[p // count][p % count]) for p in positions]


def training_batch(source: Source, recipe: Recipe, step: int, part: Part = WHOLE) -> Batch:
    """A part of the batch of a step, images in channels-last layout.

    Item i's augmentation is drawn from (seed, step, i).
    """
    chosen = indices(len(source.dataset), recipe.batch, step, recipe.seed)
    images, labels = source.collate([_augmented(source, recipe, index, step, i) for i, index in part.of(chosen)])
    return Batch(images.contiguous(memory_format=torch.channels_last), labels)


def _augmented(source: Source, recipe: Recipe, index: int, step: int, i: int) -> Item:
    image, labels = source[index]
    height, width = recipe.crop or image.shape[-2:]
    generator = item_generator(recipe.seed, step, i)
    image, labels = augment(image.float() / 255, labels, source.rules, recipe.augment, (height, width), generator)
    return image, source.finished(labels)


def resized(image: Tensor, labels: Mapping[str, Any], size: tuple[int, int], rules: Mapping[str, LabelRule]) -> Item:
    """An image (3,H,W) uint8 by antialiased bilinear sampling, labels by nearest, both at `size`."""
    if image.shape[-2:] == size:
        return image, dict(labels)
    small = F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)[0]
    nearest = {key: rules[key].resize(label, size) for key, label in labels.items()}
    return small.round().clamp(0, 255).to(torch.uint8), nearest
