"""Pictures of a few images for the page: inputs, amplified perturbations, predictions, labels, as PNG bytes."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from robustbench_seg.classes import ClassSet

_FAR = 80.0


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


def rendered(key: str, values: Tensor, classes: ClassSet) -> bytes:
    """A label or prediction map (H,W): class colours, or depth on a logarithmic scale (near is bright)."""
    return png(_RENDERERS[key](values.cpu().numpy(), classes))


def _colours(labels: npt.NDArray[np.generic], classes: ClassSet) -> npt.NDArray[np.uint8]:
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = classes.palette
    return palette[labels.astype(np.uint8)]


def _depths(depth: npt.NDArray[np.generic], classes: ClassSet) -> npt.NDArray[np.uint8]:
    from matplotlib import colormaps

    metres = np.asarray(depth, np.float64)
    nearness = 1 - np.log(np.clip(metres, 2, _FAR) / 2) / np.log(_FAR / 2)
    coloured = (np.asarray(colormaps["magma"](nearness))[..., :3] * 255).round().astype(np.uint8)
    coloured[metres <= 0] = 0
    return coloured


_RENDERERS = {"semantic": _colours, "depth": _depths}


def predicted(key: str, output: Tensor) -> Tensor:
    """The map (H,W) to draw of one image's output: the most likely class of logits (C,H,W), depth as it is."""
    return output.argmax(0) if output.dim() == 3 else output


def is_drawable(key: str) -> bool:
    """Whether outputs of that key can be drawn as a map."""
    return key in _RENDERERS


def perturbed_name(attack: str, objective: str, norm: str, epsilon: float | None) -> str:
    """A folder name for one cell, unique by its exact epsilon."""
    parts = (attack, objective, norm, "" if epsilon is None else f"{epsilon!r}")
    return "_".join(part.replace(":", "-").replace(",", "-").replace("@", "-") for part in parts if part)
