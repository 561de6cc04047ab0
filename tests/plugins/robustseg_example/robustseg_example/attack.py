"""An attack without a gradient."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from robustbench_seg import ATTACKS, Perturbation


@ATTACKS.register("random_signs")
@dataclass(frozen=True)
class RandomSigns(Perturbation):
    """Every value moves by ε up or down, as a coin falls."""

    title: ClassVar[str] = "Random signs"
    norms: ClassVar[tuple[str, ...]] = ("linf",)
    default_objectives: ClassVar[tuple[str, ...]] = ()

    def run(self, context, budget):
        coins = [stream.integers(0, 2, context.images.shape[1:]) for stream in context.generators("coins")]
        signs = torch.from_numpy(np.stack(coins)).to(context.images) * 2 - 1
        return context.images + budget.step(signs, budget.epsilon)
