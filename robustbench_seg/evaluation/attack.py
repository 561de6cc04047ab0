"""An attack configuration ready to be run on a pair: its objective is made once, its perturbation for every batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import BUDGETS, Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.attacks.objectives.fitted import FittedObjective
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.results.keys import CLEAN, AttackConfiguration
from robustbench_seg.tasks.base import Task

Arrays = Mapping[str, Tensor]
_ATTACK, _OBJECTIVE = "attack.", "objective."
"""What the names of an artefact's arrays begin with."""


@dataclass(frozen=True)
class Clean(Perturbation):
    """The images as they are."""

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """Return the clean images."""
        return context.images


class ConfiguredAttack:
    """One configuration of a pair whose measured tasks are `tasks`; the clean images are one too.

    `loss_key` is equal for configurations with the same adversarial loss.
    """

    def __init__(self, configuration: AttackConfiguration, tasks: Mapping[str, Task]) -> None:
        self.configuration = configuration
        self.is_clean = configuration.attack == CLEAN
        # Asked, never run: what a perturbation keeps on itself must not reach another batch.
        self._asked = Clean() if self.is_clean else make_attack(configuration.attack, configuration.params)
        self._objective: Objective | None = None
        self._fitted: Mapping[float, Arrays] = {}
        if configuration.objective:
            (self._objective,) = self._asked.objectives([configuration.objective], tasks)
        self.loss_key: Hashable = CLEAN if self.is_clean else (self._asked.loss_key(), configuration.objective)

    @property
    def sizes(self) -> list[float]:
        """Its epsilons as numbers; unbounded is infinity."""
        return [float("inf") if epsilon is None else epsilon for epsilon in self.configuration.epsilons]

    @property
    def uses_clean_gradient(self) -> bool:
        """Whether its first gradient is that at the clean images."""
        return (
            self._objective is not None and self._asked.uses_clean_gradient() and any(size > 0 for size in self.sizes)
        )

    @property
    def num_gradients(self) -> int:
        """How many gradients one image costs on its grid."""
        return self._asked.num_gradients(self.sizes) if self._objective is not None else 0

    @property
    def num_forwards(self) -> int:
        """How many forwards beyond those of gradients and scores one image costs on its grid."""
        return self._asked.num_forwards(self.sizes) if self._objective is not None else 0

    @property
    def is_fitted(self) -> bool:
        """Whether the attack or its objective is fitted on training images before it is run."""
        return isinstance(self._asked, Fitted) or self.has_fitted_objective

    @property
    def has_fitted_objective(self) -> bool:
        """Whether its objective is fitted."""
        return isinstance(self._objective, FittedObjective)

    @property
    def fit_sizes(self) -> list[float]:
        """The epsilons it is fitted for; one where nothing depends on them."""
        return [size for size in self.sizes if size > 0 and isinstance(self._asked, Fitted)] or self.sizes[:1]

    @property
    def fit_images(self) -> int:
        """How many training images it is fitted on."""
        return self._asked.images if isinstance(self._asked, Fitted) else 1

    @property
    def num_fit_gradients(self) -> int:
        """How many gradients one training image costs on its grid."""
        return self._asked.num_fit_gradients(self.sizes) if isinstance(self._asked, Fitted) else 0

    def fit_objective(self, first: CleanReference) -> Arrays:
        """Fit the objective on the first training image, and pursue it from now on; return what is kept of it."""
        if not isinstance(self._objective, FittedObjective):
            return {}
        arrays = self._objective.fit(first)
        self._objective = self._objective.bound(arrays)
        return {_OBJECTIVE + name: value for name, value in arrays.items()}

    def fit(self, contexts: Sequence[AttackContext], epsilon: float) -> Arrays:
        """Fit the attack on training images, for one epsilon; return what is kept of them."""
        attack = self.perturbation()
        if not isinstance(attack, Fitted) or epsilon == 0:
            return {}
        budget = BUDGETS[self.configuration.norm]
        arrays = attack.fit([(context, budget(context.images, epsilon)) for context in contexts])
        for context in contexts:
            context.settle()
        return {_ATTACK + name: value for name, value in arrays.items()}

    def bind(self, fitted: Mapping[float, Arrays]) -> None:
        """Run from now on with what was kept, by epsilon."""
        if isinstance(self._objective, FittedObjective):
            self._objective = self._objective.bound(_part(next(iter(fitted.values())), _OBJECTIVE))
        self._fitted = {epsilon: _part(arrays, _ATTACK) for epsilon, arrays in fitted.items()}

    def perturbation(self) -> Perturbation:
        """Return a fresh perturbation."""
        attack = make_attack(self.configuration.attack, self.configuration.params)
        return attack.bound(self._fitted) if isinstance(attack, Fitted) else attack

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss | None:
        """Return what the attack ascends on the batch of `reference`; None for noise."""
        return None if self._objective is None else self._asked.adversarial_loss(self._objective, reference)

    def cell_key(self, epsilon: float | None) -> Hashable | None:
        """Return a key that is equal for cells known to hold the same images; None where none is known."""
        name = None if epsilon is None else self._asked.cache_key(epsilon, self.configuration.norm)
        return None if name is None else (self.loss_key, name)


def _part(arrays: Arrays, start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
