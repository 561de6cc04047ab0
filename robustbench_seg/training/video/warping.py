"""A neighbouring frame as seen from the target camera, by depth and motion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from kornia.geometry import axis_angle_to_rotation_matrix, create_meshgrid
from torch import Tensor


def rigid(motion: Tensor, *, inverse: bool = False) -> Tensor:
    """(N,4,4) of axis-angle and translation (N,6); of the motion back where `inverse`."""
    rotation, translation = axis_angle_to_rotation_matrix(motion[:, :3]), motion[:, 3:, None]
    if inverse:
        rotation = rotation.transpose(1, 2)
        translation = -rotation @ translation
    # Filled there: a list would be copied to a GPU, and waited for.
    last = motion.new_zeros(len(motion), 1, 4)
    last[..., 3] = 1
    return torch.cat([torch.cat([rotation, translation], 2), last], 1)


def warp(image: Tensor, depth: Tensor, transform: Tensor, intrinsics: Tensor) -> Tensor:
    """What the target camera would see of `image` (N,3,H,W), the neighbouring frame.

    `depth` (N,H,W) is the target's, `transform` (N,4,4) takes its points into the neighbour's frame, `intrinsics`
    (N,3,3) are in pixels whose centres are integers. Outside the neighbour its edge pixels are repeated.
    """
    height, width = depth.shape[-2:]
    # Rows of pixels rather than kornia's (N,H,W,3) points: a third of its time on a CPU, where warps fill a step.
    # Not `inv`, which asks whether there is an inverse and so waits for a GPU.
    turn = intrinsics @ transform[:, :3, :3] @ torch.linalg.inv_ex(intrinsics).inverse
    shift = intrinsics @ transform[:, :3, 3:]
    x, y, z = (turn @ _pixels(height, width, depth) * depth.flatten(1)[:, None] + shift).unbind(1)
    # A point at or behind the camera has no image; just before it, it lands far outside.
    near = z.clamp(min=1e-3)
    grid = torch.stack([x / near * (2 / (width - 1)) - 1, y / near * (2 / (height - 1)) - 1], 2)
    return F.grid_sample(image, grid.view(-1, height, width, 2), padding_mode="border", align_corners=True)


def _pixels(height: int, width: int, like: Tensor) -> Tensor:
    """Homogeneous pixel coordinates (3,HW), column first."""
    grid = create_meshgrid(height, width, normalized_coordinates=False, device=like.device, dtype=like.dtype)
    return torch.cat([grid.reshape(-1, 2).T, like.new_ones(1, height * width)])
