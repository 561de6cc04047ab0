"""Labelled instances of one image and of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.instances import rle
from robustbench_seg.tasks.instances.locations import Level
from robustbench_seg.tasks.instances.masks import crops
from robustbench_seg.tasks.instances.positives import Positives
from robustbench_seg.transfer import placed


@dataclass(frozen=True, eq=False)
class Instances:
    """The instances of one image.

    `boxes` (K,4) float32 xyxy px from outer edge to outer edge, `labels` (K,) int64 class ids (void 255),
    `masks` (K,H,W) bool, `depth` (K,) float32 median metres (0 where unknown), `crowd` (K,) bool which are regions of
    several that are not told apart.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor
    depth: Tensor
    crowd: Tensor
    smallest: tuple[int, int] = (0, 0)
    """Instances whose box is shorter than the first (px) on both sides, or whose mask has fewer pixels than the second,
    are neither learnt nor scored. In COCO's evaluation all count."""
    original: Instances | None = field(default=None, repr=False)
    """Where these are not on the host, those that they were placed from."""

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def host(self) -> Instances:
        """The same on the host: themselves, or what they were placed from, so that nobody waits."""
        return self.original or self.to("cpu")

    @cached_property
    def ignored(self) -> Tensor:
        """Which (K,) are too small to count, of a class that is not scored, or a crowd."""
        longer = (self.boxes[:, 2:] - self.boxes[:, :2]).amax(1) if len(self) else self.depth
        side, pixels = self.smallest
        small = (longer < side) | (self.masks.flatten(1).sum(1) < pixels)
        ignored: Tensor = small | (self.labels == VOID) | self.crowd
        return ignored

    def _moved(self, move: Callable[[Tensor], Tensor], original: Instances | None = None) -> Instances:
        parts = (self.boxes, self.labels, self.masks, self.depth, self.crowd)
        boxes, labels, masks, depth, crowd = map(move, parts)
        return Instances(boxes, labels, masks, depth, crowd, self.smallest, original)

    @cached_property
    def encoded(self) -> list[Any]:
        """The masks as pycocotools' objects; for instances on the host."""
        return rle.encode(rle.run_lengths(self.masks.numpy()), (self.masks.shape[1], self.masks.shape[2]))

    def to(self, device: str | torch.device) -> Instances:
        """The same on another device."""
        if torch.device(device) == self.labels.device:
            return self
        original = None if torch.device(device).type == "cpu" else self.host
        return self._moved(partial(placed, device=device), original)

    def pin_memory(self) -> Instances:
        """The same in memory that a GPU can copy from by itself."""
        return self._moved(Tensor.pin_memory)


@dataclass(frozen=True, eq=False)
class InstanceLabels:
    """The instances of a batch, image by image."""

    images: tuple[Instances, ...]
    assigned: dict[tuple[Level, ...], Positives] = field(default_factory=dict, init=False, repr=False)
    """What `assign` has found, by the levels of the locations."""

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def host(self) -> InstanceLabels:
        """The same on the host."""
        return InstanceLabels(tuple(image.host for image in self.images))

    @cached_property
    def crops(self) -> tuple[Tensor, ...]:
        """Each image's masks (K,SIDE²) cut out by their boxes."""
        return tuple(crops(image.masks, image.boxes) for image in self.images)

    def __iter__(self) -> Iterator[Instances]:
        return iter(self.images)

    @overload
    def __getitem__(self, index: int) -> Instances: ...
    @overload
    def __getitem__(self, index: slice) -> InstanceLabels: ...
    def __getitem__(self, index: int | slice) -> Instances | InstanceLabels:
        """One image's, or the labels of some of the images."""
        return InstanceLabels(self.images[index]) if isinstance(index, slice) else self.images[index]

    def to(self, device: str | torch.device) -> InstanceLabels:
        """The same on another device."""
        return InstanceLabels(tuple(image.to(device) for image in self.images))

    def pin_memory(self) -> InstanceLabels:
        """The same in memory that a GPU can copy from by itself."""
        return InstanceLabels(tuple(image.pin_memory() for image in self.images))


def from_sample(label: Mapping[str, object], label_map: npt.NDArray[np.generic] | None = None) -> Instances:
    """The `instances` label of a `Sample` as tensors, its classes renumbered by `label_map` (256 entries)."""
    labels = np.asarray(label["labels"], np.int64)
    side, pixels = np.asarray(label.get("smallest", (0, 0)), np.int64).tolist()
    mapped = labels.copy() if label_map is None else label_map[labels].astype(np.int64)
    return Instances(
        torch.from_numpy(np.array(label["boxes"], np.float32)),
        torch.from_numpy(mapped),
        torch.from_numpy(np.array(label["masks"], np.bool_)),
        torch.from_numpy(np.array(label["depth"], np.float32)),
        torch.from_numpy(np.array(label.get("crowd", np.zeros(len(labels))), np.bool_)),
        (side, pixels),
    )


def from_map(
    items: Tensor, labels: Tensor, depth: Tensor, crowd: Tensor, smallest: tuple[int, int] = (0, 0)
) -> Instances:
    """Instances of a map (H,W) whose pixels hold 1 + the index of the instance they show, 0 for none.

    `labels`, `depth` and `crowd` (K,) are those of the indices; instances without a pixel are left out.
    """
    shown = torch.unique(items)
    shown = shown[shown > 0].long()
    masks = items[None] == shown[:, None, None]
    boxes = masks_to_boxes(masks) if len(shown) else items.new_zeros((0, 4)).float()
    boxes[:, 2:] += 1  # torchvision's boxes end at the last pixel, ours at its outer edge
    at = shown - 1
    return Instances(boxes.float(), labels[at].long(), masks, depth[at].float(), crowd[at], smallest)


def to_map(instances: Instances) -> Tensor:
    """The inverse of `from_map`, (H,W) int64; where masks overlap the nearer instance is seen, and a crowd last."""
    items = torch.zeros(instances.masks.shape[1:], dtype=torch.int64)
    # Unknown depth (0) is taken for far: it must not hide what is known to be near.
    far = torch.where(instances.depth > 0, instances.depth, torch.finfo(torch.float32).max)
    far[instances.crowd] = torch.inf
    for index in far.argsort(descending=True, stable=True).tolist():
        items[instances.masks[index]] = index + 1
    return items
