"""Losses of depth (N,H,W) in metres against labels (N,H,W) that attacks ascend; unlabelled ones are masked later."""

from __future__ import annotations

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.attack_loss import AttackLoss

MIN_DEPTH = 1e-3
MAX_DEPTH = 80.0
"""Metres; labels between the two count."""
BERHU_SHARE = 0.2
"""The share of an image's largest error beyond which berHu is quadratic (Laina et al. 2016, eq. 3)."""


def is_labelled(label: Tensor) -> Tensor:
    """Which pixels (N,H,W) have a depth within the range."""
    return (label > MIN_DEPTH) & (label < MAX_DEPTH)


def absolute(depth: Tensor, label: Tensor) -> Tensor:
    """|d - t|."""
    return (depth - label).abs()


def berhu(depth: Tensor, label: Tensor) -> Tensor:
    """|e| up to c, (e² + c²) / 2c beyond; c is a share of the image's largest error where there is a label."""
    error = absolute(depth, label)
    known = torch.where(is_labelled(label), error, torch.zeros_like(error))
    c = BERHU_SHARE * known.detach().flatten(1).amax(1).clamp(min=1e-6).view(-1, 1, 1)
    return torch.where(error <= c, error, (error.square() + c.square()) / (2 * c))


def logarithmic(depth: Tensor, label: Tensor) -> Tensor:
    """|log d - log t|."""
    return (depth.clamp(min=MIN_DEPTH).log() - label.clamp(min=MIN_DEPTH).log()).abs()


def agreement(depth: Tensor, label: Tensor, progress: float) -> Tensor:
    """min(d/t, t/d), what CosPGD's cosine is to classes.

    The paper takes the cosine of the softmax over channels, which for a single one is 1: PGD.
    """
    return (-logarithmic(depth, label)).exp()


LOSSES = {
    "l1": AttackLoss("L1", absolute),
    "berhu": AttackLoss("berHu", berhu),
    "log": AttackLoss("L1 of logarithms", logarithmic),
    "cosine": AttackLoss("CosPGD's L1 of logarithms", logarithmic, agreement),
}
"""By the name an attack's `loss` gives them."""
