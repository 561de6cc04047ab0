"""The part of an image that depth is measured in."""

from __future__ import annotations

from collections.abc import Mapping

from robustbench_seg.lazy import Tensor, torch

Crop = tuple[float, float, float, float]
"""Where it begins and ends, as shares of the height (top, bottom) and of the width (left, right)."""

WHOLE = "none"
CROPS: Mapping[str, Crop | None] = {
    WHOLE: None,
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}
"""By name: of KITTI's images, Garg et al. 2016 (the usual one, with 0 to 80 m) and Eigen et al. 2014, as monodepth has
them. Shares are of the label's size, and rounded down to pixels."""


def within(crop: Crop | None, known: Tensor) -> Tensor:
    """Of pixels (...,H,W) bool those within the crop; all where there is none."""
    if crop is None:
        return known
    height, width = known.shape[-2:]
    sizes = (height, height, width, width)
    top, bottom, left, right = (int(share * size) for share, size in zip(crop, sizes, strict=True))
    inside = torch.zeros_like(known)
    inside[..., top:bottom, left:right] = True
    return known & inside
