from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.attacks import paper


class LinearDepth(nn.Module):
    """Depth is a weighted sum of the channels: its gradient is the weight, everywhere."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"depth": 20 + (images * self.weight).sum(1)}


@pytest.mark.parametrize("norm", ["linf", "rms"])
def test_fgsm_is_the_sign_of_a_linear_models_weight(world_of, norm):
    weight = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0))
    images = torch.full((2, 3, 6, 8), 0.5)
    world = world_of(LinearDepth(weight), images, {"depth": torch.full((2, 6, 8), 5.0)}, tasks=("depth",))
    x = paper.fgsm()(world.context(paper.fgsm(), "depth"), 4.0, norm)
    torch.testing.assert_close((x - images) * 255, (4 * weight.sign()).expand(2, -1, -1, -1), rtol=0, atol=2e-5)


def test_fgsm_raises_the_loss_of_every_image(world):
    context = world.context(paper.fgsm(), "semantic")
    x = paper.fgsm()(context, 4.0)
    assert (context.loss(x) > context.loss(world.images)).all()


def test_fgsm_takes_one_gradient_for_the_grid(world):
    list(paper.fgsm().perturb(world.context(paper.fgsm(), "depth"), [0.25, 1.0, 4.0]))
    assert world.target_model.cost.backwards == len(world.images)
