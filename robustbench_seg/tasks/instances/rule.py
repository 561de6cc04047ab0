"""How labelled instances follow their image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.instances.parts import truth
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
        instances = truth.from_sample(label)
        return Items(truth.to_map(instances).to(torch.int16), instances.labels, instances.depth)

    def resize(self, label: Items, size: tuple[int, int]) -> Items:
        """The nearest at another size."""
        return Items(nearest(label.items, size), label.labels, label.depth)

    def view(self, label: Items, view: View) -> Items:
        """What is seen of them; what looks `zoom` times larger is `zoom` times nearer."""
        seen = nearest(cut(label.items, view.window, 0), view.size)
        return Items(seen.flip(-1) if view.flip else seen, label.labels, label.depth / view.zoom)

    def finish(self, label: Items) -> truth.Instances:
        """Boxes and masks."""
        return truth.from_map(label.items, label.labels, label.depth)

    def collate(self, labels: list[truth.Instances]) -> truth.InstanceLabels:
        """A batch."""
        return truth.InstanceLabels(tuple(labels))
