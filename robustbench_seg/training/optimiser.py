"""Optimisers and which parameters learn how fast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from robustbench_seg.training.recipe import OptimiserRecipe

Rates = Sequence[tuple[Sequence[nn.Parameter], float]]
"""Parameters and their peak learning rate."""

_Groups = list[dict[str, Any]]
_OPTIMISERS: Mapping[str, Callable[[_Groups, OptimiserRecipe], torch.optim.Optimizer]] = {
    "adam": lambda groups, recipe: torch.optim.Adam(
        groups, lr=0.0, betas=recipe.betas, weight_decay=recipe.weight_decay
    ),
    "adamw": lambda groups, recipe: torch.optim.AdamW(
        groups, lr=0.0, betas=recipe.betas, weight_decay=recipe.weight_decay
    ),
    "sgd": lambda groups, recipe: torch.optim.SGD(
        groups, lr=0.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    ),
}


@dataclass(frozen=True)
class Learner:
    """Parameters that learn together: their optimiser, and the largest norm of its whole gradient, 0 for any."""

    optimiser: torch.optim.Optimizer
    clip: float = 0.0

    def step(self, factor: float) -> None:
        """Move against the gradient, at `factor` times the peak learning rates."""
        groups = self.optimiser.param_groups
        for group in groups:
            group["lr"] = group["peak"] * factor
        if self.clip:
            nn.utils.clip_grad_norm_([parameter for group in groups for parameter in group["params"]], self.clip)
        self.optimiser.step()


def make_learner(module: nn.Module, rates: Rates, recipe: OptimiserRecipe) -> Learner:
    """All parameters of the module with the recipe's optimiser, see `make_optimiser`."""
    return Learner(make_optimiser(module, rates, recipe), recipe.clip)


def make_optimiser(module: nn.Module, rates: Rates, recipe: OptimiserRecipe) -> torch.optim.Optimizer:
    """The recipe's optimiser; what `rates` does not name learns at `decoder_lr`. Groups keep their rate as `peak`.

    What takes no gradient is in none.
    """
    named = {id(parameter) for parameters, _ in rates for parameter in parameters}
    rest = [parameter for parameter in module.parameters() if id(parameter) not in named]
    groups = [
        {"params": [parameter for parameter in parameters if parameter.requires_grad], "peak": peak}
        for parameters, peak in (*rates, (rest, recipe.decoder_lr))
    ]
    return _OPTIMISERS[recipe.name](groups, recipe)
