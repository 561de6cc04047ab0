"""The base of every perturbation: the author writes `run`, the base enforces what all must keep."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from robustbench_seg.attacks.budgets import BUDGETS, Budget, largest
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, LossChoice, Objective
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.attacks.objectives.task_loss import EACH_TASK
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import Task


@dataclass(frozen=True)
class Perturbation(ABC):
    """An attack or a noise: it perturbs images, for every epsilon of a grid.

    Subclasses are frozen dataclasses: their fields are the parameters a protocol or `--set` may change. They
    write `run`, or `run_epsilons` where epsilons can share work. The base keeps epsilon = 0 and images without a
    target untouched, puts every result into its budget and the valid range, and leaves the model as it found it.

    `title` is what pages call it (its name in the registry where empty), `title_with_epsilon` what they add where it is
    run with an epsilon. `strength` orders attacks by the harm they must do at equal epsilon (None: not comparable).
    `norms` lists the budgets it can run in, the default first. `default_objectives` are the objectives of a bare use
    (`each task` is one run per task; empty for noise). `named_by` are parameters that stand in its label wherever it
    runs without an epsilon, as they say how strong it is. `not_set` says why a name that one may take for a parameter
    is none. All this is read without torch.
    """

    title: ClassVar[str] = ""
    title_with_epsilon: ClassVar[str] = ""
    strength: ClassVar[int | None] = None
    norms: ClassVar[tuple[str, ...]] = ("linf", "rms")
    default_objectives: ClassVar[tuple[str, ...]] = (EACH_TASK,)
    named_by: ClassVar[tuple[str, ...]] = ()
    not_set: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """Perturbed images (N,3,H,W) for one epsilon; the base projects what is returned."""

    def run_epsilons(self, context: AttackContext, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """Perturbed images of every epsilon, in any order; override to share work."""
        for budget in budgets:
            yield budget, self.for_one_epsilon().run(context, budget)

    def for_one_epsilon(self) -> Self:
        """A copy: what an attack keeps on itself while it works (a momentum) must not reach another epsilon."""
        return copy.deepcopy(self)

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """How many gradients an image costs on this grid (an upper bound where the attack can stop early)."""
        return 0

    def num_forwards(self, epsilons: Sequence[float]) -> int:
        """How many forwards without a gradient an image costs on this grid, beyond the one each result is scored by."""
        return 0

    def uses_clean_gradient(self) -> bool:
        """Whether its first gradient is that at the clean images, so that it can be taken with the clean forward."""
        return False

    def cache_key(self, epsilon: float, norm: str) -> Hashable | None:
        """A name of the perturbation at this epsilon; cells of one objective with an equal name are computed once.

        None where no other attack is known to give the same.
        """
        return None

    def caveat(self) -> str:
        """What a reader of its numbers must know, in a few words; empty for nothing."""
        return ""

    def objectives(self, wanted: Sequence[str] | None, tasks: Mapping[str, Task]) -> list[Objective]:
        """The objectives of one model's tasks; `wanted` None is the default."""
        names = self.default_objectives if wanted is None else wanted
        return [objective for name in names for objective in parse_objective(name, tasks)]

    def adversarial_loss(self, objective: Objective, reference: CleanReference) -> AdversarialLoss:
        """The adversarial loss this attack makes of an objective."""
        return objective.adversarial_loss(reference)

    def loss_key(self) -> Hashable:
        """Equal for attacks that make the same adversarial loss of an objective: by default all that do not write it.

        What an attack writes itself may depend on any of its parameters.
        """
        kind, base = type(self), Perturbation
        is_shared = kind.adversarial_loss is base.adversarial_loss and kind.objectives is base.objectives
        return LossChoice() if is_shared else (kind.__qualname__, repr(self))

    def perturb(
        self, context: AttackContext, epsilons: Sequence[float], norm: str | None = None
    ) -> Iterator[tuple[float, Tensor]]:
        """Pairs of (epsilon, perturbed images); images (N,3,H,W) in [0,1], epsilon in units of 1/255.

        Raises UsageError for a norm the perturbation does not have or an epsilon that is not finite and >= 0.
        """
        norm = norm or self.default_norm(bounded=math.inf not in epsilons)
        if norm not in self.norms:
            raise UsageError(f"norm '{norm}' is not one of {type(self).__name__}'s: {', '.join(self.norms)}")
        for epsilon in epsilons:
            if not epsilon >= 0 or (epsilon == math.inf and norm != "none"):
                raise UsageError(f"epsilon {epsilon} must be a finite number >= 0 (in units of 1/255)")
            if 0 < epsilon < math.inf and norm == "none":
                raise UsageError(f"epsilon {epsilon} has no meaning in norm 'none', which has no budget; give inf")
        budgets = [BUDGETS[norm](context.images, float(epsilon)) for epsilon in epsilons if epsilon > 0]
        yield from ((0.0, context.images.clone()) for epsilon in epsilons if epsilon == 0)
        if budgets:
            left = {budget.epsilon for budget in budgets}
            for epsilon, x in _finished(context, iter(self.run_epsilons(context, budgets))):
                left.discard(epsilon)
                yield epsilon, x
            if left:
                raise ValueError(f"a perturbation left out epsilon {', '.join(map(str, sorted(left)))}")

    def default_norm(self, bounded: bool) -> str:
        """The first norm with an epsilon where there is one to keep, else without; the first where none fits."""
        return next((norm for norm in self.norms if (norm != "none") == bounded), self.norms[0])

    def __call__(self, context: AttackContext, epsilon: float, norm: str | None = None) -> Tensor:
        """The perturbed images of one epsilon."""
        return next(iter(self.perturb(context, [epsilon], norm)))[1]


def _finished(context: AttackContext, results: Iterator[tuple[Budget, Tensor]]) -> Iterator[tuple[float, Tensor]]:
    """Each result as it is handed over, computed on a frozen model that is as the caller left it in between."""
    while True:
        with context.frozen():
            result = next(results, None)
            finished = None if result is None else (result[0].epsilon, _enforce(context, *result))
        context.settle()
        if finished is None:
            return
        yield finished


def _enforce(context: AttackContext, budget: Budget, x: Tensor) -> Tensor:
    images, attackable = budget.images, context.attackable
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"a perturbation returned {type(x).__name__}, not a tensor")
    if x.shape != images.shape:
        raise ValueError(f"a perturbation returned {tuple(x.shape)} for images {tuple(images.shape)}")
    if x.dtype != images.dtype or x.device != images.device:
        raise TypeError(f"a perturbation returned {x.dtype} on {x.device} for {images.dtype} on {images.device}")
    with torch.no_grad():
        # Projections and signs turn NaN into no change at all, which would count as robust.
        is_finite = largest(x).isfinite() | ~attackable
        context.expect(is_finite, FloatingPointError("a perturbation returned values that are not finite"))
        return torch.where(attackable.view(-1, 1, 1, 1), budget.finish(x), images)
