"""Joint augmentation of an image and its labels, drawn from one generator an item."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.training.recipe import AugmentRecipe


@dataclass(frozen=True)
class LabelRule:
    """The value of pixels outside the image, and what zooming in by a factor does to the values."""

    outside: float
    zoomed: Callable[[Tensor, float], Tensor]


RULES: Mapping[str, LabelRule] = {
    "semantic": LabelRule(VOID, lambda label, zoom: label),
    # The camera is taken to stay the same: what looks `zoom` times larger is `zoom` times nearer.
    "depth": LabelRule(0.0, lambda label, zoom: label / zoom),
}


def augment(
    image: Tensor,
    labels: Mapping[str, Tensor],
    recipe: AugmentRecipe,
    crop: tuple[int, int],
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """A random zoom, crop, flip and colour change of one item.

    Takes an image (3,H,W) in [0,1] and labels (H,W); returns both at `crop` (h,w). A window larger than the
    image is filled with its edge pixels and void labels.
    """
    low, high = recipe.scale
    zoom = low * (high / low) ** _uniform(generator)
    top, left, height, width = _window(image.shape[-2:], crop, zoom, generator)
    flip = _uniform(generator) < recipe.flip
    image = _cut(image[None], top, left, height, width, None)
    image = F.interpolate(image, size=crop, mode="bilinear", align_corners=False, antialias=zoom < 1)[0]
    image = jitter(image.clamp(0, 1), recipe.jitter, generator)
    out = {key: _label(key, label, (top, left, height, width), crop, zoom) for key, label in labels.items()}
    if flip:
        image, out = image.flip(-1), {key: label.flip(-1) for key, label in out.items()}
    return image, out


def jitter(image: Tensor, ranges: tuple[float, float, float, float], generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation (factors 1 ± range) and hue (turns ± range) of an image (3,H,W).

    All four are one affine map of the colours, so that they cost one product.
    """
    draws = [(2 * _uniform(generator) - 1) * span for span in ranges]
    brightness, contrast, saturation = (1 + draw for draw in draws[:3])
    to_yiq = image.new_tensor(_YIQ)
    angle = 2 * math.pi * draws[3]
    turn = image.new_tensor(
        [
            [1.0, 0.0, 0.0],
            [0.0, saturation * math.cos(angle), -saturation * math.sin(angle)],
            [0.0, saturation * math.sin(angle), saturation * math.cos(angle)],
        ]
    )
    matrix = brightness * contrast * torch.linalg.inv(to_yiq) @ turn @ to_yiq
    grey = brightness * (1 - contrast) * (to_yiq[0] @ image.mean((1, 2)))
    mixed: Tensor = (matrix @ image.flatten(1)).view_as(image) + grey
    return mixed.clamp(0, 1)


_YIQ = [[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]]


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _window(
    size: torch.Size, crop: tuple[int, int], zoom: float, generator: torch.Generator
) -> tuple[int, int, int, int]:
    """The source window (top, left, height, width) that becomes the crop; it may reach outside the image."""
    spans = [max(1, round(c / zoom)) for c in crop]
    starts = [math.floor(_uniform(generator) * (n - span + 1)) for n, span in zip(size, spans, strict=True)]
    return starts[0], starts[1], spans[0], spans[1]


def _cut(x: Tensor, top: int, left: int, height: int, width: int, fill: float | None) -> Tensor:
    """The window of (1,C,H,W), outside of which is `fill`, or the edge pixels where it is None."""
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


def _label(key: str, label: Tensor, window: tuple[int, int, int, int], crop: tuple[int, int], zoom: float) -> Tensor:
    rule = RULES[key]
    cut = _cut(label[None, None].float(), *window, rule.outside)
    resized = F.interpolate(cut, size=crop, mode="nearest-exact")[0, 0]
    return rule.zoomed(resized, zoom).to(label.dtype)
