"""Losses of class logits (N,C,H,W) against classes (N,H,W) that attacks ascend; void pixels have value 0."""

from __future__ import annotations

import math

from robustbench_seg.classes import VOID
from robustbench_seg.lazy import F, Tensor, torch
from robustbench_seg.tasks.attack_loss import AttackLoss
from robustbench_seg.tasks.counting import counts

LOGIT_GAP = 4.0
"""The mean gap between the two largest clean logits after which scale-free losses bring logits."""
CONFIDENCE = 0.75
"""The probability above which a pixel is predicted with confidence (the threshold of Metzen et al. 2017)."""


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """-log p of the label."""
    return F.cross_entropy(logits, label, ignore_index=VOID, reduction="none")


def jensen_shannon(logits: Tensor, label: Tensor) -> Tensor:
    """The divergence of p from the label's one-hot vector (SEA: Croce et al. 2024, eq. 5); it depends on p_label alone.

    With p = p_label it is ((1 - p) log 2 + p log(2p / (1 + p)) + log(2 / (1 + p))) / 2, in terms of log p so that value
    and gradient stay finite however small p is.
    """
    log_p = -cross_entropy(logits, label)
    p = log_p.exp()
    gap = torch.log1p(p)
    values = ((1 - p) * math.log(2) + p * (math.log(2) + log_p - gap) + math.log(2) - gap) / 2
    return torch.where(label == VOID, torch.zeros_like(values), values)


def is_right(logits: Tensor, label: Tensor, progress: float = 0.0) -> Tensor:
    """1 where the prediction is the label, else 0."""
    return (logits.argmax(1) == label).to(logits.dtype)


def is_confident(logits: Tensor, label: Tensor, progress: float = 0.0) -> Tensor:
    """1 where the label is predicted with a probability above CONFIDENCE, else 0 (Metzen et al. 2017)."""
    return (cross_entropy(logits, label) < -math.log(CONFIDENCE)).to(logits.dtype)


def scheduled(logits: Tensor, label: Tensor, progress: float) -> Tensor:
    """SegPGD's weights (Gu et al. 2022, eq. 5): 1 - t/2T where the prediction is right, t/2T where it is wrong."""
    wrong = progress / 2
    return wrong + (1 - 2 * wrong) * is_right(logits, label)


def alignment(logits: Tensor, label: Tensor, progress: float) -> Tensor:
    """CosPGD's weights (Agnihotri et al. 2024, eq. 7): the cosine of softmax and the label's one-hot vector."""
    p = logits.softmax(1)
    known = torch.where(label == VOID, 0, label)
    cosine: Tensor = p.gather(1, known[:, None])[:, 0] / p.norm(dim=1)
    return cosine


def rarity(label: Tensor) -> Tensor:
    """One over the number of an image's pixels of the label's class, scaled to a mean of 1 over its labelled pixels.

    SEA has fixed weights of its data sets; these need no more than the image.
    """
    pixels = counts(label, VOID + 1)
    labelled = pixels[:, :VOID]
    classes = (labelled > 0).sum(1, keepdim=True).clamp(min=1)
    weights = labelled.sum(1, keepdim=True) / classes / pixels.clamp(min=1)
    return weights.gather(1, label.flatten(1)).view(label.shape)


def unit_gap(logits: Tensor) -> Tensor:
    """The factor (N,1,1,1) that brings the mean gap between the two largest logits of a pixel to LOGIT_GAP."""
    top = logits.topk(2, 1).values
    gap = (top[:, 0] - top[:, 1]).flatten(1).mean(1).clamp(min=1e-12)
    return (LOGIT_GAP / gap).view(-1, 1, 1, 1)


LOSSES = {
    "ce": AttackLoss("cross-entropy", cross_entropy),
    "masked_ce": AttackLoss("cross-entropy of the pixels still right", cross_entropy, is_right),
    "balanced_ce": AttackLoss("the same, classes weighted alike", cross_entropy, is_right, rarity),
    "confident_ce": AttackLoss("cross-entropy of the pixels right with confidence", cross_entropy, is_confident),
    "js": AttackLoss("Jensen-Shannon divergence", jensen_shannon),
    "segpgd": AttackLoss("SegPGD's cross-entropy", cross_entropy, scheduled),
    "cosine": AttackLoss("CosPGD's cross-entropy", cross_entropy, alignment),
}
"""By the name an attack's `loss` gives them."""
