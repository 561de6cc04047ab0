"""Training from labels: the losses of one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.models.blocks.deephead import DEEP
from robustbench_seg.tasks.base import LossSettings
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.batches import WHOLE, Batch, Part, Source, training_batch
from robustbench_seg.training.optimiser import Learner, Rates, make_learner
from robustbench_seg.training.place import Forward
from robustbench_seg.training.recipe import Recipe


def weighted_sum(losses: Mapping[str, Tensor]) -> Tensor:
    """The plain sum of losses that carry their weights already."""
    return torch.stack(list(losses.values())).sum()


def geometric_mean(losses: Mapping[str, Tensor]) -> Tensor:
    """The geometric loss strategy (Chennupati 2019; UniNet 2021, eq. 1): exp of the mean logarithm."""
    return torch.stack(list(losses.values())).clamp(min=1e-8).log().mean().exp()


BALANCES: Mapping[str, Callable[[Mapping[str, Tensor]], Tensor]] = {"sum": weighted_sum, "geometric": geometric_mean}
"""How the losses of several tasks become one, by the recipe's `balance`."""


@dataclass(frozen=True)
class Supervised:
    """Learns every task from its labels; of each batch, from the items of `part`."""

    recipe: Recipe
    source: Source
    settings: LossSettings
    device: torch.device
    part: Part = WHOLE

    def wrapped(self, network: nn.Module) -> nn.Module:
        """What is trained: the network itself."""
        return network

    def network(self, module: nn.Module) -> nn.Module:
        """What is validated and exported of it."""
        return module

    def rates(self, module: nn.Module) -> Rates:
        """The encoder's parameters and learning rate."""
        encoder = [parameter for name, parameter in module.named_parameters() if name.startswith("encoder.")]
        return [(encoder, self.recipe.optimiser.encoder_lr)]

    def learners(self, module: nn.Module) -> tuple[Learner, ...]:
        """The whole network."""
        return (make_learner(module, self.rates(module), self.recipe.optimiser),)

    def batch(self, step: int) -> Batch:
        """Images and labels of a step; a label without anything to learn is left out."""
        batch = training_batch(self.source, self.recipe, step, self.part)
        return Batch(batch.images, self.learnable(batch.labels))

    def loss(self, forward: Forward, batch: Batch) -> Tensor:
        """The scalar loss of a batch."""
        return self.compared(forward(batch.images), batch.labels)

    def learnable(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        """The labels, on the host, with anything to train with: those without have no part in the balance."""
        taught = {task.key for task in self.source.made.values() if task.learnable(labels[task.key])}
        return {key: label for key, label in labels.items() if key in taught}

    def compared(self, outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> Tensor:
        """The balanced losses of the final outputs plus the weighted sum of intermediate ones, averaged over levels.

        A task whose label is not there is left out.
        """
        recipe = self.recipe
        final = {name: value for task in recipe.tasks for name, value in self._weighted(task, outputs, labels).items()}
        loss = BALANCES[recipe.balance](final) if final else torch.zeros((), device=self.device, requires_grad=True)
        levels = outputs.get(DEEP, ())
        for level in levels:
            for task, output in level.items():
                size = (output.shape[-2], output.shape[-1])
                made = TASKS.get(task)()
                if made.key not in labels:
                    continue
                resized = {made.key: made.label_rule.resize(labels[made.key], size)}
                loss = loss + sum(self._weighted(task, level, resized).values()) / len(levels)
        return loss

    def _weighted(self, task: str, outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Tensor]:
        weights = {**self.recipe.tasks, **self.recipe.auxiliary}
        made = TASKS.get(task)()
        if made.key not in labels:
            return {}
        losses = made.training_losses(outputs[made.key], labels[made.key], self.settings)
        return {name: weights[task] * value for name, value in losses.items()}
