"""Pictures of a few images for the page: inputs and amplified perturbations, as PNG bytes."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from robustbench_seg.evaluation.stored import to_bytes


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An (H,W,3) uint8 image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def picture(image: Tensor) -> bytes:
    """A (3,H,W) image in [0,1]."""
    return png(to_bytes(image).permute(1, 2, 0).cpu().numpy())


def amplified(perturbation: Tensor) -> bytes:
    """A (3,H,W) perturbation around mid-grey, so that four times its RMS spans the range."""
    size = perturbation.square().mean().sqrt()
    return picture(0.5 + perturbation * (0.125 / size if size > 0 else 0))
