"""How each kind of label follows its image through a window, a zoom and a flip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.instances.truth import InstanceLabels, Instances, from_map, from_sample, to_map

Window = tuple[int, int, int, int]
"""Top, left, height, width in the source image; it may reach outside."""


@dataclass(frozen=True)
class View:
    """A window of the source that becomes `size` (h,w), `zoom` times as large, mirrored where `flip`."""

    window: Window
    size: tuple[int, int]
    zoom: float
    flip: bool


@dataclass(frozen=True)
class MapRule:
    """A label that is a map (...,H,W).

    `outside` is the value of pixels outside the image, `zoomed` what a zoom does to the values, `flipped` what a
    mirror does to them beside moving them.
    """

    dtype: torch.dtype
    outside: float
    zoomed: Callable[[Tensor, float], Tensor] = lambda label, zoom: label
    flipped: Callable[[Tensor], Tensor] = lambda label: label

    def read(self, label: object) -> Tensor:
        """The label of a `Sample` as a tensor, as stored."""
        return torch.as_tensor(label).clone()

    def resize(self, label: Tensor, size: tuple[int, int]) -> Tensor:
        """The nearest label at another size."""
        return _nearest(label, size)

    def view(self, label: Tensor, view: View) -> Tensor:
        """What is seen of it."""
        seen = self.zoomed(_nearest(cut(label, view.window, self.outside), view.size), view.zoom)
        return self.flipped(seen.flip(-1)) if view.flip else seen

    def finish(self, label: Tensor) -> Tensor:
        """The label as the losses want it."""
        return label.to(self.dtype)

    def collate(self, labels: list[Tensor]) -> Tensor:
        """A batch."""
        return torch.stack(labels)


@dataclass(frozen=True, eq=False)
class Items:
    """Instances as a map (H,W) of 1 + index, with their classes (K,) and depths (K,)."""

    items: Tensor
    labels: Tensor
    depth: Tensor


@dataclass(frozen=True)
class InstanceRule:
    """Instances: seen through their map, so that boxes and masks are those of what is left to see."""

    def read(self, label: Mapping[str, object]) -> Items:
        """The label of a `Sample`."""
        found = from_sample(label)
        return Items(to_map(found).to(torch.int16), found.labels, found.depth)

    def resize(self, label: Items, size: tuple[int, int]) -> Items:
        """The nearest at another size."""
        return Items(_nearest(label.items, size), label.labels, label.depth)

    def view(self, label: Items, view: View) -> Items:
        """What is seen of them."""
        seen = _nearest(cut(label.items, view.window, 0), view.size)
        return Items(seen.flip(-1) if view.flip else seen, label.labels, label.depth / view.zoom)

    def finish(self, label: Items) -> Instances:
        """The label as the losses want it."""
        return from_map(label.items, label.labels, label.depth)

    def collate(self, labels: list[Instances]) -> InstanceLabels:
        """A batch."""
        return InstanceLabels(tuple(labels))


def _mirrored_normals(normals: Tensor) -> Tensor:
    return normals * normals.new_tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)


RULES: Mapping[str, Any] = {
    "semantic": MapRule(torch.int64, VOID),
    # The camera is taken to stay the same: what looks `zoom` times larger is `zoom` times nearer.
    "depth": MapRule(torch.float32, 0.0, zoomed=lambda label, zoom: label / zoom),
    "normals": MapRule(torch.float32, 0.0, flipped=_mirrored_normals),
    "edges": MapRule(torch.int64, VOID),
    "instances": InstanceRule(),
}


def cut(x: Tensor, window: Window, fill: float | None) -> Tensor:
    """The window of (...,H,W), outside of which is `fill`, or the edge pixels where it is None."""
    top, left, height, width = window
    rows, columns = x.shape[-2:]
    inside = x[..., max(top, 0) : top + height, max(left, 0) : left + width]
    before = max(-top, 0), max(-left, 0)
    after = max(top + height - rows, 0), max(left + width - columns, 0)
    padding = (before[1], after[1], before[0], after[0])
    if not any(padding):
        return inside
    if fill is None:
        return F.pad(inside, padding, mode="replicate")
    return F.pad(inside, padding, value=fill)


def _nearest(label: Tensor, size: tuple[int, int]) -> Tensor:
    if label.shape[-2:] == size:
        return label
    planes = label.reshape(1, -1, *label.shape[-2:]).float()
    found = F.interpolate(planes, size=size, mode="nearest-exact")[0]
    return found.reshape(*label.shape[:-2], *size).to(label.dtype)
