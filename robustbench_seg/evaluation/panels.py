"""Pictures of a few images for the page: inputs, amplified perturbations, predictions, labels, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

from robustbench_seg.classes import ClassSet
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.truth import InstanceLabels

_FAR = 80.0
SHOWN_SCORE = 0.3
"""Detections below are not drawn."""


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An (H,W,3) uint8 image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def picture(image: Tensor) -> bytes:
    """A (3,H,W) image in [0,1]."""
    return png((image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy())


def amplified(perturbation: Tensor) -> bytes:
    """A (3,H,W) perturbation around mid-grey, so that four times its RMS spans the range."""
    size = perturbation.square().mean().sqrt()
    return picture(0.5 + perturbation * (0.125 / size if size > 0 else 0))


class Drawer(Protocol):
    """How an output and its label are drawn for image i of a batch; `image` (3,H,W) is what the model saw."""

    def output(self, output: Any, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """A prediction."""

    def label(self, label: Any, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """The truth."""


class ClassDrawer:
    """Class maps in the colours of the class set."""

    def output(self, output: Tensor, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """The most likely class."""
        return self.label(output.argmax(1), i, image, classes)

    def label(self, label: Tensor, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """The class; void is black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(classes)] = classes.palette
        return png(palette[label[i].cpu().numpy().astype(np.uint8)])


class DepthDrawer:
    """Depth on a logarithmic scale, near is bright."""

    def output(self, output: Tensor, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """Metres."""
        from matplotlib import colormaps

        metres = output[i].double().cpu().numpy()
        nearness = 1 - np.log(np.clip(metres, 2, _FAR) / 2) / np.log(_FAR / 2)
        coloured = (np.asarray(colormaps["magma"](nearness))[..., :3] * 255).round().astype(np.uint8)
        coloured[metres <= 0] = 0
        return png(coloured)

    label = output


class InstanceDrawer:
    """Boxes and masks in the colours of their classes, over the darkened image."""

    def output(self, output: DenseInstances, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """What is detected with some confidence."""
        found = output.detections()[i]
        shown = found.scores >= SHOWN_SCORE
        masks = None if found.masks is None else found.masks[shown]
        return self._drawn(found.boxes[shown], found.labels[shown], masks, image, classes)

    def label(self, label: InstanceLabels, i: int, image: Tensor, classes: ClassSet) -> bytes:
        """What counts."""
        truth = label[i]
        kept = ~truth.ignored
        return self._drawn(truth.boxes[kept], truth.labels[kept], truth.masks[kept], image, classes)

    def _drawn(self, boxes: Tensor, labels: Tensor, masks: Tensor | None, image: Tensor, classes: ClassSet) -> bytes:
        canvas = (image.clamp(0, 1) * 127).byte().cpu()
        # The palette's dark blues and reds are lost on a dark image: lighten them half way.
        colours = ["#{:02x}{:02x}{:02x}".format(*(c // 2 + 127 for c in classes.palette[label])) for label in labels]
        if masks is not None and len(masks):
            # torchvision blackens overlaps; here the surest detection (the nearest instance) lies on top.
            alone = masks & (masks.int().cumsum(0) == 1)
            canvas = draw_segmentation_masks(canvas, alone.cpu(), alpha=0.6, colors=colours)
        if len(boxes):
            # Boxes end at the outer edge of their last pixel, drawn ones in it.
            edges = boxes.cpu().round() - boxes.new_tensor([0.0, 0.0, 1.0, 1.0]).cpu()
            edges[:, 2:] = torch.maximum(edges[:, 2:], edges[:, :2])
            canvas = draw_bounding_boxes(canvas, edges, colors=colours, width=1)
        return png(canvas.permute(1, 2, 0).numpy())


DRAWERS: Mapping[str, Drawer] = {"semantic": ClassDrawer(), "depth": DepthDrawer(), "instances": InstanceDrawer()}


def perturbed_name(attack: str, objective: str, norm: str, epsilon: float | None) -> str:
    """A folder name for one cell, unique by its exact epsilon."""
    parts = (attack, objective, norm, "" if epsilon is None else f"{epsilon!r}")
    return "_".join(part.replace(":", "-").replace(",", "-").replace("@", "-") for part in parts if part)
