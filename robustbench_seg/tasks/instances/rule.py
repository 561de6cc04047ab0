"""How labelled instances follow their image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.instances.parts import truth
from robustbench_seg.tasks.rules import View, cut, nearest


@dataclass(frozen=True, eq=False)
class Items:
    """Instances as a map (H,W) of 1 + index, with what else is known of them (K,), see `truth.Instances`."""

    items: Tensor
    labels: Tensor
    depth: Tensor
    crowd: Tensor
    smallest: tuple[int, int]


@dataclass(frozen=True)
class InstanceRule:
    """Instances are seen through their map, so that boxes and masks are those of what remains in sight."""

    def read(self, label: Mapping[str, object]) -> Items:
        """The label of a `Sample`."""
        instances = truth.from_sample(label)
        items = truth.to_map(instances).to(torch.int16)
        return Items(items, instances.labels, instances.depth, instances.crowd, instances.smallest)

    def resize(self, label: Items, size: tuple[int, int]) -> Items:
        """The nearest at another size."""
        return replace(label, items=nearest(label.items, size))

    def view(self, label: Items, view: View) -> Items:
        """What is seen of them; what looks `zoom` times larger is `zoom` times nearer."""
        seen = nearest(cut(label.items, view.window, 0), view.size)
        return replace(label, items=seen.flip(-1) if view.flip else seen, depth=label.depth / view.zoom)

    def finish(self, label: Items) -> truth.Instances:
        """Boxes and masks."""
        return truth.from_map(label.items, label.labels, label.depth, label.crowd, label.smallest)

    def collate(self, labels: list[truth.Instances]) -> truth.InstanceLabels:
        """A batch."""
        return truth.InstanceLabels(tuple(labels))
