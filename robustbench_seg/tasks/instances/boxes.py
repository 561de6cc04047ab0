"""How boxes (P,4) xyxy px overlap, pair by pair."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-7


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU (P,) of boxes pair by pair."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (high - low).clamp(min=0).prod(1)
    areas = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return overlap / (areas - overlap).clamp(min=1e-9)


def giou_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - GIoU (P,) (Rezatofighi 2019): torchvision's, whose index by a mask waits for a GPU."""
    (left, top, right, bottom), (left_b, top_b, right_b, bottom_b) = a.unbind(1), b.unbind(1)
    inner_left, inner_top = torch.max(left, left_b), torch.max(top, top_b)
    inner_right, inner_bottom = torch.min(right, right_b), torch.min(bottom, bottom_b)
    meet = (inner_bottom > inner_top) & (inner_right > inner_left)
    overlap = torch.where(meet, (inner_right - inner_left) * (inner_bottom - inner_top), 0.0)
    union = (right - left) * (bottom - top) + (right_b - left_b) * (bottom_b - top_b) - overlap
    outer = (torch.max(right, right_b) - torch.min(left, left_b)) * (
        torch.max(bottom, bottom_b) - torch.min(top, top_b)
    )
    return 1 - (overlap / (union + EPSILON) - (outer - union) / (outer + EPSILON))
