"""How a label follows its image through a window, a zoom and a flip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from robustbench_seg.lazy import F, Tensor, torch

Window = tuple[int, int, int, int]
"""Top, left, height, width in the source image; it may reach outside."""


@dataclass(frozen=True)
class View:
    """A window of the source that becomes `size` (h,w), `zoom` times as large, mirrored where `flip`."""

    window: Window
    size: tuple[int, int]
    zoom: float
    flip: bool


class LabelRule(Protocol):
    """What is done with a label between the data set and the loss."""

    def read(self, label: Any) -> Any:
        """The label of a `Sample` in a form that is cheap to keep; a copy."""

    def resize(self, label: Any, size: tuple[int, int]) -> Any:
        """The nearest label at another size (h,w)."""

    def view(self, label: Any, view: View) -> Any:
        """What is seen of it."""

    def finish(self, label: Any) -> Any:
        """The label as the losses want it."""

    def collate(self, labels: list[Any]) -> Any:
        """A batch."""


@dataclass(frozen=True)
class MapRule:
    """The rule of a label that is a map (...,H,W).

    `dtype` is the name of torch's type, `outside` the value of pixels outside the image, `zoomed` what a zoom does to
    the values, `flipped` what a mirror does to them beside moving them.
    """

    dtype: str
    outside: float
    zoomed: Callable[[Tensor, float], Tensor] = lambda label, zoom: label
    flipped: Callable[[Tensor], Tensor] = lambda label: label

    def read(self, label: object) -> Tensor:
        """The label as a tensor, in the type it is stored in."""
        return torch.as_tensor(label).clone()

    def resize(self, label: Tensor, size: tuple[int, int]) -> Tensor:
        """The nearest label at another size."""
        return nearest(label, size)

    def view(self, label: Tensor, view: View) -> Tensor:
        """What is seen of it."""
        seen = self.zoomed(nearest(cut(label, view.window, self.outside), view.size), view.zoom)
        return self.flipped(seen.flip(-1)) if view.flip else seen

    def finish(self, label: Tensor) -> Tensor:
        """The label in its type."""
        return label.to(getattr(torch, self.dtype))

    def collate(self, labels: list[Tensor]) -> Tensor:
        """A batch."""
        return torch.stack(labels)


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


def nearest(label: Tensor, size: tuple[int, int]) -> Tensor:
    """A label (...,H,W) at another size (h,w), each pixel that of the nearest one."""
    if label.shape[-2:] == size:
        return label
    planes = label.reshape(1, -1, *label.shape[-2:]).float()
    sampled = F.interpolate(planes, size=size, mode="nearest-exact")[0]
    return sampled.reshape(*label.shape[:-2], *size).to(label.dtype)
