"""MI-FGSM: its gradients accumulate, each image's own."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.momentum import MIFGSM
from robustbench_seg.errors import UsageError


def test_gradients_accumulate_image_by_image(world):
    """In the other norm than torchattacks', on images whose gradients are a million times apart."""
    attack = MIFGSM(steps=4, alpha=1.0, decay=0.5)
    context = world.context(attack, "semantic")
    found = attack(context, 3.0, "rms")
    factor = torch.tensor([1.0, 1e3, 1e-3])
    loss = context._adversarial_loss
    scaled = replace(loss, at=lambda progress: lambda outputs: loss.at(progress)(outputs) * factor)
    unequal = AttackContext(world.images, world.ids, target_model=world.target_model, adversarial_loss=scaled)
    torch.testing.assert_close(attack(unequal, 3.0, "rms"), found, rtol=0, atol=1e-5)


def test_without_decay_it_is_pgd(world):
    from robustbench_seg.attacks.pgd import PGD

    context = world.context(PGD(), "semantic")
    assert torch.equal(MIFGSM(steps=5, decay=0.0)(context, 4.0), PGD(steps=5)(context, 4.0))


@pytest.mark.parametrize("decay", [-1.0, math.inf])
def test_a_decay_that_is_negative_or_infinite_is_refused(decay):
    with pytest.raises(UsageError, match=f"decay {decay} must be a finite number >= 0"):
        MIFGSM(decay=decay)
