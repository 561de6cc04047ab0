"""DenseMTL 2023's domain adaptation: a labelled source and a target without labels, adversarially aligned outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from robustbench_seg.training.adaptation.losses import adversarial_loss, discriminator_loss
from robustbench_seg.training.adaptation.network import AdaptedNet
from robustbench_seg.training.batches import Batch, Mixed, Source, training_batch
from robustbench_seg.training.optimiser import Learner
from robustbench_seg.training.place import Forward
from robustbench_seg.training.recipe import AdaptationRecipe
from robustbench_seg.training.supervised import Supervised

_OTHER = 0xADA97
"""Sets order and augmentation of the target's images apart from those of the source's."""


@dataclass(frozen=True)
class Adapted:
    """Learns from the source's labels as `Supervised`, against discriminators of its outputs on source and `target`."""

    labelled: Supervised
    adaptation: AdaptationRecipe
    target: Source

    def wrapped(self, network: nn.Module) -> nn.Module:
        """What is trained: the network and its discriminators."""
        return AdaptedNet(network, tuple(self.labelled.recipe.tasks), self.adaptation.discriminator.widths)

    def network(self, module: nn.Module) -> nn.Module:
        """What is validated and exported of it."""
        return module.get_submodule("network")

    def learners(self, module: nn.Module) -> tuple[Learner, ...]:
        """The network with the recipe's optimiser, the discriminators with Adam; one schedule moves both rates."""
        recipe = self.adaptation.discriminator
        judges = list(module.get_submodule("discriminators").parameters())
        adam = torch.optim.Adam([{"params": judges, "peak": recipe.lr}], lr=0.0, betas=recipe.betas)
        return *self.labelled.learners(self.network(module)), Learner(adam)

    def batch(self, step: int) -> Mixed[Batch]:
        """Images and labels of the source, and images of the target, of a step."""
        recipe = self.labelled.recipe
        other = replace(recipe, batch=self.adaptation.batch, seed=recipe.seed ^ _OTHER)
        return Mixed(self.labelled.batch(step), training_batch(self.target, other, step, self.labelled.part))

    def loss(self, forward: Forward, batch: Mixed[Batch]) -> Tensor:
        """The network's loss plus the discriminators', whose gradients reach either side alone.

        Both sides move at once, against the other as it was before the step.
        """
        judged = forward(batch.labelled.images, batch.unlabelled.images)
        supervised = self.labelled.compared(judged.outputs, batch.labelled.labels)
        adversarial = self.adaptation.weight * adversarial_loss(judged.verdicts)
        return supervised + adversarial + discriminator_loss(judged.verdicts)
