"""How labelled instances follow their image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_seg.tasks.instances.truth import InstanceLabels, Instances, from_map, from_sample, to_map
from robustbench_seg.tasks.rules import View, cut, nearest


@dataclass(frozen=True, eq=False)
class Items:
    """Instances as a map (H,W) of 1 + index, with their classes (K,) and depths (K,)."""

    items: Tensor
    labels: Tensor
    depth: Tensor


@dataclass(frozen=True)
class InstanceRule:
    """Instances are seen through their map, so that boxes and masks are those of what remains in sight."""

    def read(self, label: Mapping[str, object]) -> Items:
        """The label of a `Sample`."""
        found = from_sample(label)
        return Items(to_map(found).to(torch.int16), found.labels, found.depth)

    def resize(self, label: Items, size: tuple[int, int]) -> Items:
        """The nearest at another size."""
        return Items(nearest(label.items, size), label.labels, label.depth)

    def view(self, label: Items, view: View) -> Items:
        """What is seen of them; what looks `zoom` times larger is `zoom` times nearer."""
        seen = nearest(cut(label.items, view.window, 0), view.size)
        return Items(seen.flip(-1) if view.flip else seen, label.labels, label.depth / view.zoom)

    def finish(self, label: Items) -> Instances:
        """Boxes and masks."""
        return from_map(label.items, label.labels, label.depth)

    def collate(self, labels: list[Instances]) -> InstanceLabels:
        """A batch."""
        return InstanceLabels(tuple(labels))
