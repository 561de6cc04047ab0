"""APGD equals adv-lib's on a classifier of whole images, from the same start."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.apgd import APGD
from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss
from robustbench_seg.attacks.target_model import TargetModel
from tests.attacks.conftest import scenery, seeded_net
from tests.tasks.by_key import by_key

pytestmark = pytest.mark.skipif(not advlib.is_installed(), reason="needs adv-lib: pip install --no-deps adv-lib")

STEPS = 88
"""Its windows are odd: exactly three quarters of one, too few for adv-lib and enough in the paper, never improve."""


class Classifier(nn.Module):
    """The mean logits (N,C) of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.net = seeded_net()

    def forward(self, images: Tensor) -> Tensor:
        return 5 * self.net(images)["semantic"].mean((2, 3))


class AsMap(nn.Module):
    """The same as a segmentation of one pixel."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"semantic": self.net(images)[:, :, None, None]}


@pytest.mark.parametrize("norm", ["linf", "rms"])
def test_apgd(norm):
    """All but the values that the two count as improved otherwise, right after a step was halved."""
    images, net, epsilon = scenery(4), Classifier(), 8.0
    label = net(images).argmax(1)
    cross_entropy = nn.CrossEntropyLoss(reduction="none")

    def loss(outputs):
        return cross_entropy(outputs["semantic"].mean((2, 3)), label)

    context = AttackContext(
        images,
        ["a", "b", "c", "d"],
        target_model=TargetModel(AsMap(net), by_key("semantic")),
        adversarial_loss=AdversarialLoss(loss, torch.ones(4, dtype=torch.bool)),
    )
    best, *_ = advlib.load("attacks/auto_pgd")._apgd(
        net,
        images,
        label,
        torch.full((4,), epsilon / 255 * (1 if norm == "linf" else images[0].numel() ** 0.5)),
        norm=math.inf if norm == "linf" else 2,
        x_init=images,
        n_iter=STEPS,
        loss_function="ce",
    )
    expected = BUDGETS[norm](images, epsilon).finish(best)
    found = APGD(steps=STEPS + 1, by_loss=True)(context, epsilon, norm)
    assert ((found - expected).abs() > 1e-4).float().mean() < 0.01
    with torch.no_grad():
        torch.testing.assert_close(cross_entropy(net(found), label), cross_entropy(net(expected), label))
        assert (cross_entropy(net(found), label) > 1.2 * cross_entropy(net(images), label)).all()
