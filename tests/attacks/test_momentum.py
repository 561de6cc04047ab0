"""MI-FGSM: its gradients accumulate, each image's own."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.attacks.momentum import MIFGSM
from robustbench_seg.errors import UsageError


def test_gradients_accumulate_image_by_image(world):
    attack = MIFGSM(steps=4, alpha=1.0, decay=0.5)
    context = world.context(attack, "semantic")
    x, total = world.images, torch.zeros_like(world.images)
    for _ in range(4):
        gradient = context.gradient(x)
        total = 0.5 * total + torch.stack([g / g.abs().sum() * g.numel() for g in gradient])
        x = (world.images + (x + total.sign() / 255 - world.images).clamp(-3 / 255, 3 / 255)).clamp(0, 1)
    found = attack(context, 3.0)
    assert ((found - x).abs() > 1e-6).float().mean() < 0.01


def test_without_decay_it_is_pgd(world):
    from robustbench_seg.attacks.pgd import PGD

    context = world.context(PGD(), "semantic")
    assert torch.equal(MIFGSM(steps=5, decay=0.0)(context, 4.0), PGD(steps=5)(context, 4.0))


def test_a_negative_decay_is_refused():
    with pytest.raises(UsageError, match=r"decay -1\.0 must be >= 0"):
        MIFGSM(decay=-1.0)
