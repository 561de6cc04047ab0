"""Images as 8 bits hold them: what is written into a PNG, and what is made of the bytes that a data set reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from robustbench_seg.results.keys import FLOAT, ROUNDED


def to_bytes(images: Tensor) -> Tensor:
    """The nearest bytes of images in [0,1] (any shape); what lies outside is clipped."""
    return (images.clamp(0, 1) * 255).round().byte()


def from_bytes(images: Tensor) -> Tensor:
    """Bytes as float32 images in [0,1]."""
    return images.float() / 255


def as_stored(images: Tensor) -> Tensor:
    """Images in [0,1] as they are once they were written into a PNG and read again: equal to the last bit."""
    return from_bytes(to_bytes(images)).contiguous()


SEEN: Mapping[str, Callable[[Tensor], Tensor]] = {FLOAT: lambda images: images, ROUNDED: as_stored}
"""What the model is shown of perturbed images, by the way of scoring."""
