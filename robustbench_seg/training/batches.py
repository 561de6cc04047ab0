"""Batches as a pure function of (recipe, data set, step): nothing to save, nothing to restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.augment import augment, item_generator
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.training.rules import RULES

Item = tuple[Tensor, dict[str, Any]]
"""An image and its labels by key."""


@dataclass
class Source:
    """A data set as tensors at `size` (H,W; empty is its own), kept in memory where `cache` says so.

    `tasks` are those whose labels are read.
    """

    dataset: Dataset
    tasks: tuple[str, ...]
    cache: bool = False
    size: tuple[int, ...] = ()
    _kept: dict[int, Item] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for task in self.tasks:
            if label_key(task) not in RULES or task not in self.dataset.tasks:
                raise InputError(f"data set {self.dataset.name} has no trainable labels for task {task!r}")

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of the labels."""
        return tuple(dict.fromkeys(label_key(task) for task in self.tasks))

    def __getitem__(self, index: int) -> Item:
        """Image (3,H,W) uint8 and labels as the rules read them."""
        if index in self._kept:
            return self._kept[index]
        item = _tensors(self.dataset[index], self.keys)
        if self.size:
            item = resized(*item, (self.size[0], self.size[1]))
        if self.cache:
            self._kept[index] = item
        return item

    def read(self, index: int) -> Item:
        """Image (3,H,W) in [0,1] and labels as the losses want them."""
        image, labels = self[index]
        return image.float() / 255, _finished(labels)


def label_key(task: str) -> str:
    """The key of a task's label; auxiliary labels, which are no task here, go by their own name."""
    return TASKS.get(task)().key if task in TASKS else task


def indices(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Which items make up batch `step`: epochs of fresh permutations, laid end to end."""
    positions = range(step * batch, (step + 1) * batch)
    orders = {epoch: _order(count, epoch, seed) for epoch in {p // count for p in positions}}
    return [int(orders[p // count][p % count]) for p in positions]


def training_batch(source: Source, recipe: Recipe, step: int) -> Item:
    """Images (N,3,h,w) and labels of a step; item i's augmentation is drawn from (seed, step, i)."""
    chosen = indices(len(source.dataset), recipe.batch, step, recipe.seed)
    items = [_augmented(source, recipe, index, step, i) for i, index in enumerate(chosen)]
    return collate(items)


def collate(items: list[Item]) -> Item:
    """Items as a batch."""
    labels = {key: RULES[key].collate([item[1][key] for item in items]) for key in items[0][1]}
    return torch.stack([image for image, _ in items]), labels


def _augmented(source: Source, recipe: Recipe, index: int, step: int, i: int) -> Item:
    image, labels = source[index]
    height, width = recipe.crop or image.shape[-2:]
    generator = item_generator(recipe.seed, step, i)
    image, labels = augment(image.float() / 255, labels, recipe.augment, (height, width), generator)
    return image, _finished(labels)


def _finished(labels: dict[str, Any]) -> dict[str, Any]:
    return {key: RULES[key].finish(label) for key, label in labels.items()}


def _order(count: int, epoch: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng((seed, epoch)).permutation(count)


def _tensors(sample: Sample, keys: tuple[str, ...]) -> Item:
    image = torch.from_numpy(np.array(sample.image)).permute(2, 0, 1).contiguous()
    return image, {key: RULES[key].read(sample.labels[key]) for key in keys}


def resized(image: Tensor, labels: dict[str, Any], size: tuple[int, int]) -> Item:
    """An image (3,H,W) uint8 by antialiased bilinear sampling, labels by nearest, both at `size`."""
    if image.shape[-2:] == size:
        return image, labels
    small = F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)[0]
    nearest = {key: RULES[key].resize(label, size) for key, label in labels.items()}
    return small.round().clamp(0, 255).to(torch.uint8), nearest
