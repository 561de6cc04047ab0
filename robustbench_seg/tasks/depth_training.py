"""Losses of depth (N,H,W) in metres that networks are trained with, over all labelled pixels of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.depth_losses import BERHU_SHARE, is_labelled
from robustbench_seg.tasks.masked import selected


def log_l1(depth: Tensor, label: Tensor) -> Tensor:
    """Mean |log predicted - log true depth| over valid pixels; relative errors count alike near and far."""
    error = _log_errors(depth, label).abs()
    return error.sum() / _count(label)


def log_rmse(depth: Tensor, label: Tensor) -> Tensor:
    """Root mean square of log predicted - log true depth over valid pixels: UniNet's RMSE on a normalised depth."""
    error = _log_errors(depth, label).square()
    # The root has no gradient at 0.
    return (error.sum() / _count(label) + 1e-12).sqrt()


def berhu_inverse(depth: Tensor, label: Tensor) -> Tensor:
    """Mean berHu of 65536 / (100 Z + 1), the 16-bit inverse depth of Z metres that DenseMTL 2023 learns.

    It is quadratic beyond a share of the batch's largest error.
    """
    predicted, truth = (65536 / (100 * selected(z, is_labelled(label), 1.0) + 1) for z in (depth, label))
    error = (predicted - truth).abs()
    if not error.numel():
        return depth.sum() * 0
    c = BERHU_SHARE * error.detach().max().clamp(min=1e-6)
    return torch.where(error <= c, error, (error.square() + c.square()) / (2 * c)).sum() / _count(label)


TRAINING_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "log_l1": log_l1,
    "log_rmse": log_rmse,
    "berhu_inverse": berhu_inverse,
}
"""By the name a recipe's `depth_loss` gives them."""


def _log_errors(depth: Tensor, label: Tensor) -> Tensor:
    known = is_labelled(label)
    # Selected before the logarithm: log 0 of an invalid pixel must not reach the gradient.
    return selected(depth, known, 1.0).log() - selected(label, known, 1.0).log()


def _count(label: Tensor) -> Tensor:
    return is_labelled(label).sum().clamp(min=1)
