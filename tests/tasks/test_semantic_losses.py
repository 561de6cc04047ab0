"""Losses of class logits that attacks ascend, against their definitions written out."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.semantic_losses import LOGIT_GAP, LOSSES, alignment, jensen_shannon, rarity, unit_gap

LABEL = torch.tensor([[[0, 1, 1], [2, 2, VOID]], [[2, 2, 2], [2, 0, 2]]])


@pytest.fixture
def logits():
    return torch.randn(2, 4, 2, 3, generator=torch.Generator().manual_seed(0))


def away(name, logits, label=LABEL, progress=0.0):
    return LOSSES[name].away(logits, label, label != VOID, progress)


def pixel_by_pixel(logits, label, value):
    """The mean over an image's labelled pixels of value(softmax (C,), label)."""
    probability = logits.double().softmax(1)
    means = []
    for i in range(len(label)):
        values = [
            value(probability[i, :, y, x], int(label[i, y, x]))
            for y in range(label.shape[1])
            for x in range(label.shape[2])
            if label[i, y, x] != VOID
        ]
        means.append(float(sum(values)) / len(values))
    return torch.tensor(means)


def one_hot(p, c):
    return torch.eye(len(p), dtype=p.dtype)[c]


def kl(p, q):
    return sum(float(a * (a / b).log()) for a, b in zip(p, q, strict=True) if a > 0)


def is_right(p, c):
    return int(p.argmax()) == c


DEFINITIONS = {
    "ce": lambda p, c: -p[c].log(),
    "masked_ce": lambda p, c: -p[c].log() * is_right(p, c),
    "js": lambda p, c: (kl(p, (p + one_hot(p, c)) / 2) + kl(one_hot(p, c), (p + one_hot(p, c)) / 2)) / 2,
    "cosine": lambda p, c: -p[c].log() * torch.cosine_similarity(p, one_hot(p, c), 0),
    "segpgd": lambda p, c: -p[c].log() * (0.7 if is_right(p, c) else 0.3),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_losses_are_their_definitions(name, logits):
    expected = pixel_by_pixel(logits, LABEL, DEFINITIONS[name])
    torch.testing.assert_close(away(name, logits, progress=0.6), expected)


@pytest.mark.parametrize("name", ["masked_ce", "cosine", "segpgd"])
def test_towards_a_label_the_weights_are_swapped(name, logits):
    target = torch.where(LABEL == VOID, 3, LABEL)
    both = LOSSES[name].toward(logits, target, 0.6) + away(name, logits, target, 0.6)
    torch.testing.assert_close(both, away("ce", logits, target))


def test_balanced_classes_count_alike(logits):
    """The mean over an image's classes of the mean over the class's pixels of masked cross-entropy."""
    expected = []
    for image, label in zip(logits, LABEL, strict=True):
        alone = [torch.where(label == c, label, VOID) for c in label.unique() if c != VOID]
        expected.append(torch.stack([away("masked_ce", image[None], part[None])[0] for part in alone]).mean())
    torch.testing.assert_close(away("balanced_ce", logits), torch.stack(expected))


def test_rarity_has_a_mean_of_one():
    weights = rarity(LABEL)
    for weight, label in zip(weights, LABEL, strict=True):
        assert float(weight[label != VOID].mean()) == pytest.approx(1)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("gap", [200.0, -200.0, 0.0])
def test_values_and_gradients_stay_finite_at_any_gap(name, gap):
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 1] = gap
    logits.requires_grad_(True)
    loss = away(name, logits, torch.tensor([[[0, 1], [1, VOID]]]))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_void_pixels_are_inert(name, logits):
    logits.requires_grad_(True)
    loss = away(name, logits)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert gradient[0, :, 1, 2].count_nonzero() == 0
    changed = logits.detach().clone()
    changed[0, :, 1, 2] = torch.tensor([50.0, -50.0, 3.0, 0.0])
    assert torch.equal(away(name, changed), loss.detach())
    assert torch.equal(away(name, logits.detach(), torch.full_like(LABEL, VOID)), torch.zeros(2))


def test_jensen_shannon_is_bounded():
    sure = torch.tensor([0.0, 200.0]).view(1, 2, 1, 1)
    assert float(jensen_shannon(sure, torch.tensor([[[1]]]))) == 0
    assert float(jensen_shannon(sure, torch.tensor([[[0]]]))) == pytest.approx(math.log(2))


def test_alignment_is_one_where_the_label_is_sure():
    sure = torch.tensor([0.0, 200.0]).view(1, 2, 1, 1)
    assert float(alignment(sure, torch.tensor([[[1]]]), 0.0)) == 1
    assert float(alignment(sure, torch.tensor([[[0]]]), 0.0)) == 0


@pytest.mark.parametrize("factor", [0.01, 30.0])
def test_unit_gap_takes_the_scale_out(logits, factor):
    expected = logits * unit_gap(logits)
    top = expected.topk(2, 1).values
    torch.testing.assert_close((top[:, 0] - top[:, 1]).flatten(1).mean(1), torch.full((2,), LOGIT_GAP))
    torch.testing.assert_close(factor * logits * unit_gap(factor * logits), expected)
