"""Batches as a pure function of (recipe, data set, step): nothing to save, nothing to restore."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError
from robustbench_seg.training.augment import RULES, augment
from robustbench_seg.training.recipe import Recipe

_DTYPES = {"semantic": torch.int64, "depth": torch.float32}


@dataclass
class Source:
    """A data set as tensors at `size` (H,W; empty is its own), kept in memory where `cache` says so."""

    dataset: Dataset
    tasks: tuple[str, ...]
    cache: bool = False
    size: tuple[int, ...] = ()
    _kept: dict[int, tuple[Tensor, dict[str, Tensor]]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in RULES or task not in self.dataset.tasks:
                raise InputError(f"data set {self.dataset.name} has no trainable labels for task {task!r}")

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Image (3,H,W) uint8 and labels (H,W) as stored."""
        if index in self._kept:
            return self._kept[index]
        item = _tensors(self.dataset[index], self.tasks)
        if self.size:
            item = resized(*item, (self.size[0], self.size[1]))
        if self.cache:
            self._kept[index] = item
        return item

    def read(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Image (3,H,W) in [0,1] and labels in the dtypes of the tasks."""
        image, labels = self[index]
        return image.float() / 255, {key: label.to(_DTYPES[key]) for key, label in labels.items()}


def indices(count: int, batch: int, step: int, seed: int) -> list[int]:
    """Which items make up batch `step`: epochs of fresh permutations, laid end to end."""
    positions = range(step * batch, (step + 1) * batch)
    orders = {epoch: _order(count, epoch, seed) for epoch in {p // count for p in positions}}
    return [int(orders[p // count][p % count]) for p in positions]


def training_batch(source: Source, recipe: Recipe, step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Images (N,3,h,w) and labels (N,h,w) of a step; item i's augmentation is drawn from (seed, step, i)."""
    chosen = indices(len(source.dataset), recipe.batch, step, recipe.seed)
    items = [_augmented(source, recipe, index, step, i) for i, index in enumerate(chosen)]
    return collate(items)


def collate(items: list[tuple[Tensor, dict[str, Tensor]]]) -> tuple[Tensor, dict[str, Tensor]]:
    """Stacks items into a batch."""
    labels = {key: torch.stack([item[1][key] for item in items]) for key in items[0][1]}
    return torch.stack([image for image, _ in items]), labels


def _augmented(source: Source, recipe: Recipe, index: int, step: int, i: int) -> tuple[Tensor, dict[str, Tensor]]:
    image, labels = source.read(index)
    height, width = recipe.crop or image.shape[-2:]
    entropy = np.random.SeedSequence((recipe.seed, step, i)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(entropy[0] >> 1))
    return augment(image, labels, recipe.augment, (height, width), generator)


def _order(count: int, epoch: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng((seed, epoch)).permutation(count)


def _tensors(sample: Sample, tasks: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
    image = torch.from_numpy(np.array(sample.image)).permute(2, 0, 1).contiguous()
    return image, {task: torch.from_numpy(np.array(sample.labels[task])) for task in tasks}


def resized(image: Tensor, labels: dict[str, Tensor], size: tuple[int, int]) -> tuple[Tensor, dict[str, Tensor]]:
    """An image (3,H,W) uint8 by antialiased bilinear sampling, labels (H,W) by nearest, both at `size`."""
    small = F.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)[0]
    nearest = {
        key: F.interpolate(label[None, None].float(), size=size, mode="nearest-exact")[0, 0].to(label.dtype)
        for key, label in labels.items()
    }
    return small.round().clamp(0, 255).to(torch.uint8), nearest
