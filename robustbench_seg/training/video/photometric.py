"""The self-supervised depth loss (Klingner 2020, eq. 2 to 4; Godard 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from kornia.losses import inverse_depth_smoothness_loss
from torch import Tensor

from robustbench_seg.models.blocks.resize import resize
from robustbench_seg.training.video.warping import warp

ALPHA, BETA = 0.85, 1e-3
"""The weight of SSIM in the photometric error, and that of smoothness beside it."""
_C1, _C2 = 0.01**2, 0.03**2
"""Wang 2004's constants, for values in [0,1]."""


@dataclass(frozen=True)
class Target:
    """The image (N,3,H,W) in [0,1] that others are compared with, and its 3x3 moments, which serve every comparison."""

    image: Tensor

    @cached_property
    def mean(self) -> Tensor:
        """Local means."""
        return box_mean(self.image)

    @cached_property
    def variance(self) -> Tensor:
        """Local variances."""
        return box_mean(self.image.square()) - self.mean.square()

    def ssim(self, image: Tensor) -> Tensor:
        """SSIM of 3x3 windows (Wang 2004), (N,3,H,W) of the same."""
        mean = box_mean(image)
        both, squares = mean * self.mean, mean.square()
        covariance = box_mean(image * self.image) - both
        variance = box_mean(image.square()) - squares
        top = (2 * both + _C1) * (2 * covariance + _C2)
        return top / ((squares + self.mean.square() + _C1) * (variance + self.variance + _C2))

    def error(self, image: Tensor) -> Tensor:
        """α/2 (1 - SSIM) + (1 - α) |difference|, averaged over colours: (N,H,W)."""
        structure = ((1 - self.ssim(image)) / 2).clamp(0, 1)
        return (ALPHA * structure + (1 - ALPHA) * (image - self.image).abs()).mean(1)


def box_mean(x: Tensor) -> Tensor:
    """The mean of 3x3 windows of maps (N,C,H,W), mirrored at the border."""
    # Sums of slices: a third of avg_pool2d's time on a CPU, and a tenth of kornia's Gaussian windows'.
    x = F.pad(x, (1, 1, 1, 1), mode="reflect")
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    return (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) / 9


def reprojection(target: Target, warped: Sequence[Tensor], unwarped: Tensor) -> Tensor:
    """Mean over pixels of the least error of the warped frames, where none is less without a warp.

    `unwarped` (N,H,W) is the least error of the neighbours as they are: a pixel that looks the same without a warp
    (a car ahead, a still camera) says nothing about depth and gives no gradient (auto-mask, Godard 2019).
    """
    errors = torch.stack([unwarped, *(target.error(image) for image in warped)])
    return errors.min(0).values.mean()


def smoothness(inverse: Tensor, image: Tensor) -> Tensor:
    """Edge-aware smoothness of the inverse depth (N,1,h,w) divided by each image's mean (eq. 3)."""
    normalised = inverse / (inverse.mean((2, 3), keepdim=True) + 1e-7)
    return inverse_depth_smoothness_loss(normalised, image)


def depth_loss(
    inverses: Sequence[Tensor],
    target: Tensor,
    neighbours: Sequence[Tensor],
    transforms: Sequence[Tensor],
    intrinsics: Tensor,
) -> Tensor:
    """The mean over scales of photometric error and weighted smoothness.

    `inverses` (N,1,h,w) are fine to coarse; each warps at full size, so that coarse ones are held to detail too.
    `target` and `neighbours` (N,3,H,W) are images without colour augmentation.
    """
    compared = Target(target)
    unwarped = torch.stack([compared.error(image) for image in neighbours]).min(0).values
    total = target.new_zeros(())
    for scale, inverse in enumerate(inverses):
        depth = resize(inverse, target.shape[-2:]).reciprocal().squeeze(1)
        warped = [warp(image, depth, to, intrinsics) for image, to in zip(neighbours, transforms, strict=True)]
        small = F.interpolate(target, size=inverse.shape[-2:], mode="area")
        total = total + reprojection(compared, warped, unwarped) + BETA / 2**scale * smoothness(inverse, small)
    return total / len(inverses)
