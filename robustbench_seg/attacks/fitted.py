"""Attacks that are fitted on training images before they are run."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor


@dataclass(frozen=True)
class Fitted(Perturbation):
    """An attack that an evaluation fits on the train split first, once per epsilon, and then runs with what came out.

    Subclasses write `fit` and `apply` in place of `run`, and say what a fit costs (`num_fit_gradients`).

    Args:
        images: how many images of the train split it is fitted on, in their order; all where there are fewer.
    """

    images: int = 64

    fitted: ClassVar[Mapping[float, Mapping[str, Tensor]]] = {}

    def __post_init__(self) -> None:
        if self.images < 1:
            raise UsageError(f"images {self.images} must be >= 1")

    @abstractmethod
    def fit(self, batches: Sequence[tuple[AttackContext, Budget]]) -> Mapping[str, Tensor]:
        """What is kept of the training images, for one epsilon.

        `batches` are all of one size and in fixed order, with the budgets of that epsilon around them. The result must
        not depend on how the images are cut into batches beyond rounding.
        """

    @abstractmethod
    def apply(self, context: AttackContext, budget: Budget, fitted: Mapping[str, Tensor]) -> Tensor:
        """Perturbed images (N,3,H,W) from what `fit` gave for this epsilon; the base projects what is returned."""

    def num_fit_gradients(self, epsilons: Sequence[float]) -> int:
        """How many gradients a training image costs on this grid."""
        return 0

    def bound(self, fitted: Mapping[float, Mapping[str, Tensor]]) -> Self:
        """A copy that is run with what `fit` gave, by epsilon."""
        made = copy.copy(self)
        # Not a field: fields are the parameters of an attack.
        object.__setattr__(made, "fitted", fitted)
        return made

    def for_one_epsilon(self) -> Self:
        """A copy that shares what was fitted."""
        return copy.copy(self)

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """What the fit makes of the images; UsageError where there was none."""
        if budget.epsilon not in self.fitted:
            name = type(self).__name__
            raise UsageError(f"{name} is fitted on the train split of a data set; use evaluate, which does that first")
        return self.apply(context, budget, self.fitted[budget.epsilon])
