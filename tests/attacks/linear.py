"""A linear model, whose optimum in each budget is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss
from robustbench_seg.attacks.target_model import TargetModel
from tests.tasks.by_key import by_key


class Linear(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"depth": (images * self.weight).sum(1)}


def linear_problem(weight: Tensor, images: Tensor) -> AttackContext:
    adversarial_loss = AdversarialLoss(
        lambda outputs: outputs["depth"].flatten(1).sum(1), torch.ones(len(images), dtype=torch.bool)
    )
    ids = [str(i) for i in range(len(images))]
    return AttackContext(
        images, ids, target_model=TargetModel(Linear(weight), by_key("depth")), adversarial_loss=adversarial_loss
    )


OPTIMA = {
    "linf": lambda weight, epsilon: epsilon * weight.sign(),
    "rms": lambda weight, epsilon: epsilon * weight / weight.square().mean().sqrt(),
}
