"""Joint augmentation of an image and its labels, drawn from one generator per item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.tasks.rules import LabelRule, View, Window, cut
from robustbench_seg.training.recipe import AugmentRecipe


def augment(
    image: Tensor,
    labels: Mapping[str, Any],
    rules: Mapping[str, LabelRule],
    recipe: AugmentRecipe,
    crop: tuple[int, int],
    generator: torch.Generator,
) -> tuple[Tensor, dict[str, Any]]:
    """A random zoom, crop, flip and colour change of one item.

    Takes an image (3,H,W) in [0,1] and labels as their `rules` read them; returns both at `crop` (h,w). A window larger
    than the image is filled with its edge pixels and void labels.
    """
    low, high = recipe.scale
    zoom = low * (high / low) ** uniform(generator)
    window = _window(image.shape[-2:], crop, zoom, generator)
    view = View(window, crop, zoom, uniform(generator) < recipe.flip)
    image = cut(image[None], window, None)
    # Colours as a batch: as colours, the last bits of a zoom would depend on whether there are several threads.
    planes = image.transpose(0, 1)
    image = F.interpolate(planes, size=crop, mode="bilinear", align_corners=False, antialias=zoom < 1)[:, 0]
    image = jitter(image.clamp(0, 1), recipe.jitter, generator)
    seen = {key: rules[key].view(label, view) for key, label in labels.items()}
    return image.flip(-1) if view.flip else image, seen


def jitter(image: Tensor, ranges: tuple[float, float, float, float], generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation (factors 1 ± range) and hue (turns ± range) of an image (3,H,W).

    All four are one affine map of the colours, so that they cost one product.
    """
    draws = [(2 * uniform(generator) - 1) * span for span in ranges]
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


def item_generator(*key: int) -> torch.Generator:
    """The generator that an item is augmented with, a function of the key (seed, step, place in the batch, ...)."""
    entropy = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(entropy[0] >> 1))


def uniform(generator: torch.Generator) -> float:
    """A uniform random number in [0,1)."""
    return float(torch.rand((), generator=generator))


def _window(size: torch.Size, crop: tuple[int, int], zoom: float, generator: torch.Generator) -> Window:
    """The source window (top, left, height, width) that becomes the crop; it may reach outside the image."""
    spans = [max(1, round(c / zoom)) for c in crop]
    starts = [math.floor(uniform(generator) * (n - span + 1)) for n, span in zip(size, spans, strict=True)]
    return starts[0], starts[1], spans[0], spans[1]
