"""Digital corruptions: brightness, contrast, elastic distortion, coarse pixels and JPEG compression."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from robustbench_seg.attacks.corruptions.base import Corruption, Drawn
from robustbench_seg.attacks.corruptions.geometry import Floats, smoothed
from robustbench_seg.lazy import Tensor, torch

_PUBLISHED, _MEANT = 244, 224
"""Lengths of elastic distortions are published as multiples of 244 pixels, for images of 224."""


@dataclass(frozen=True)
class Brightness(Corruption):
    """More of HSV's value; hue and saturation stay."""

    title: ClassVar[str] = "Brightness"
    levels: ClassVar[Sequence[Any]] = (0.1, 0.2, 0.3, 0.4, 0.5)
    """What is added to the value, in [0,1] units."""

    def corrupt(self, image: Tensor, level: float, draw: np.random.Generator) -> Tensor:
        """Black becomes grey."""
        from kornia.color import hsv_to_rgb, rgb_to_hsv

        hue, saturation, value = rgb_to_hsv(image)
        return hsv_to_rgb(torch.stack((hue, saturation, (value + level).clamp(max=1)))).clamp(0, 1)


@dataclass(frozen=True)
class Contrast(Corruption):
    """Less contrast around the mean of each channel."""

    title: ClassVar[str] = "Contrast"
    levels: ClassVar[Sequence[Any]] = (0.4, 0.3, 0.2, 0.1, 0.05)
    """The contrast that is left."""

    def corrupt(self, image: Tensor, level: float, draw: np.random.Generator) -> Tensor:
        """The means are those of the image."""
        means = image.mean((1, 2), keepdim=True)
        return ((image - means) * level + means).clamp(0, 1)


@dataclass(frozen=True)
class ElasticTransform(Corruption):
    """A random affine map, then smooth random displacements.

    It moves pixels away from their labels, which stay where they are: part of what is lost is not the model's. Its
    lengths are multiples of the shorter side, so that images of 224x224 are as published.
    """

    title: ClassVar[str] = "Elastic transform"
    drawn: ClassVar[Drawn] = Drawn.CLIP
    levels: ClassVar[Sequence[Any]] = (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )
    """Size of the displacements, sigma of the Gaussian that smooths them, how far the affine map moves three points;
    all times 244 pixels."""

    def caveat(self) -> str:
        """What moves and what does not."""
        return "moves pixels away from their labels, which stay"

    def corrupt(self, image: Tensor, level: tuple[float, float, float], draw: np.random.Generator) -> Tensor:
        """Bilinear both times; edges are mirrored."""
        from scipy.ndimage import map_coordinates

        height, width = image.shape[-2:]
        size, sigma, jolt = (part * _PUBLISHED / _MEANT * min(height, width) for part in level)
        affine = _affine(height, width, jolt * draw.uniform(-1, 1, (3, 2)))
        channels = [map_coordinates(channel, affine, order=1, mode="mirror") for channel in image.numpy()]
        moves = [size * smoothed(draw.uniform(-1, 1, (height, width)), sigma) for _ in range(2)]
        elastic = np.indices((height, width)) + moves
        channels = [map_coordinates(channel, elastic, order=1, mode="reflect") for channel in channels]
        return torch.from_numpy(np.stack(channels)).clamp(0, 1)


@dataclass(frozen=True)
class Pixelate(Corruption):
    """Fewer pixels, by Pillow's box filter there and back."""

    title: ClassVar[str] = "Pixelate"
    levels: ClassVar[Sequence[Any]] = (0.6, 0.5, 0.4, 0.3, 0.25)
    """What is left of each side."""

    def corrupt(self, image: Tensor, level: float, draw: np.random.Generator) -> Tensor:
        """Of the image in 8 bits."""
        picture = _picture(image)
        width, height = (max(1, int(side * level)) for side in picture.size)
        box = Image.Resampling.BOX
        return _image(picture.resize((width, height), box).resize(picture.size, box))


@dataclass(frozen=True)
class JPEGCompression(Corruption):
    """JPEG as Pillow writes it."""

    title: ClassVar[str] = "JPEG compression"
    levels: ClassVar[Sequence[Any]] = (25, 18, 15, 10, 7)
    """Pillow's quality."""

    def corrupt(self, image: Tensor, level: int, draw: np.random.Generator) -> Tensor:
        """Of the image in 8 bits."""
        file = io.BytesIO()
        _picture(image).save(file, "JPEG", quality=level)
        with Image.open(file) as picture:
            return _image(picture)


def _affine(height: int, width: int, moves: Floats) -> Floats:
    """Where pixels come from, rows and columns (2,H,W), if three points around the middle move by x and y (3,2)."""
    middle, reach = np.array([width // 2, height // 2]), max(1, min(height, width) // 3)
    points = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    back = np.linalg.solve(np.column_stack([points + moves, np.ones(3)]), points.astype(float))
    rows, columns = np.indices((height, width))
    x, y = np.moveaxis(np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ back, -1, 0)
    return np.stack([y, x])


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy())


def _image(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
