"""FGSM, PGD and MI-FGSM equal torchattacks' on the same net, void pixels remapped to the -100 that its loss ignores."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from torch import Tensor, nn

from robustbench_seg.attacks.momentum import MIFGSM
from tests.attacks import paper


class Logits(nn.Module):
    """The semantic logits alone: torchattacks takes no dict."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)["semantic"]


def theirs(make, world, **parameters) -> Tensor:
    labels = world.labels["semantic"]
    return make(Logits(world.net), **parameters)(world.images, torch.where(labels == 255, -100, labels))


@pytest.mark.parametrize("epsilon", [0.25, 1.0, 2.0, 8.0, 16.0])
def test_fgsm(world, epsilon):
    ours = paper.fgsm()(world.context(paper.fgsm(), "semantic"), epsilon)
    torch.testing.assert_close(ours, theirs(torchattacks.FGSM, world, eps=epsilon / 255), rtol=0, atol=1e-6)


@pytest.mark.parametrize("epsilon", [0.25, 1.0, 4.0, 8.0])
@pytest.mark.parametrize(("steps", "alpha"), [(1, 1.0), (5, 1.0), (12, 1.0), (10, 2.55), (3, 0.3)])
def test_pgd(world, epsilon, steps, alpha):
    attack = paper.pgd(steps=steps, alpha=alpha)
    expected = theirs(torchattacks.PGD, world, eps=epsilon / 255, alpha=alpha / 255, steps=steps, random_start=False)
    torch.testing.assert_close(attack(world.context(attack, "semantic"), epsilon), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("decay", [0.5, 1.0])
@pytest.mark.parametrize("epsilon", [2.0, 8.0])
def test_mi_fgsm(world, epsilon, decay):
    attack = MIFGSM(steps=8, alpha=1.0, decay=decay, scale_free=False)
    expected = theirs(torchattacks.MIFGSM, world, eps=epsilon / 255, alpha=1 / 255, steps=8, decay=decay)
    torch.testing.assert_close(attack(world.context(attack, "semantic"), epsilon), expected, rtol=0, atol=1e-6)


def test_a_shared_grid(world):
    attack = paper.pgd(steps=8)
    for epsilon, ours in attack.perturb(world.context(attack, "semantic"), [1.0, 2.0, 8.0]):
        expected = theirs(torchattacks.PGD, world, eps=epsilon / 255, alpha=1 / 255, steps=8, random_start=False)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
