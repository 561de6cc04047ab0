"""An attack of another library, run image by image on the logits of the elements that it is about."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.randomness import seeded

if TYPE_CHECKING:
    from robustbench_seg.attacks.sources.logits import ElementLogits

SEMANTIC = "semantic"
"""The one task with dense class labels, which these attacks are made for."""


@dataclass(frozen=True)
class Works:
    """How an attack that works on dense labels is run.

    `norm` is what it keeps to and `epsilon` its parameter that says how far; `held` are parameters that dense labels
    leave no choice of. `gradients` counts them for an image and an epsilon, given the attack; `forwards` are those
    beyond. `needs_target` says that it can only turn classes into others that are given.
    """

    gradients: Callable[[Any], int]
    forwards: int = 0
    norm: str = "linf"
    epsilon: str = ""
    held: Mapping[str, Any] = field(default_factory=dict)
    needs_target: bool = False
    caveat: str = ""


@dataclass(frozen=True)
class LibraryAttack(Perturbation):
    """It is the library's own code, run image by image on the logits of labelled pixels alone.

    Its random numbers depend on the seed, the image and the attack. The model is out of its reach.
    """

    default_objectives: ClassVar[tuple[str, ...]] = (SEMANTIC,)

    name: ClassVar[str] = ""
    target: ClassVar[Callable[..., Any]]
    how: ClassVar[Works]
    hidden: ClassVar[frozenset[str]] = frozenset()
    """Parameters of every target that are no choice of a user."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            least = 1 if type(value) is int else 0
            if type(value) in (int, float) and value != each.default and not least <= value < math.inf:
                raise UsageError(f"{self.name}.{each.name} {value} must be a finite number >= {least}")

    @abstractmethod
    def attacked(self, net: ElementLogits, image: Tensor, classes: Tensor, budget: Budget) -> Tensor:
        """One perturbed image (1,3,H,W); `net` gives logits (1,C,P,1) of P elements, `classes` (1,P,1) are theirs.

        They are the labels or, where `net.is_targeted`, what the elements are to become.
        """

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """Each image by itself, under random states of its own."""
        # A module of torch can only be defined where torch is there.
        from robustbench_seg.attacks.sources.logits import ElementLogits

        x, streams = context.images.clone(), context.generators(self.name)
        for i in context.attackable.nonzero().flatten().tolist():
            net = ElementLogits(context, i)
            with torch.enable_grad(), seeded(int(streams[i].integers(2**63))):
                x[i] = self.attacked(net, context.images[i : i + 1].clone(), net.classes, budget)[0].detach()
        return x

    def num_gradients(self, epsilons: Sequence[float]) -> int:
        """Those of an epsilon for each."""
        return self.how.gradients(self) * sum(epsilon > 0 for epsilon in epsilons)

    def num_forwards(self, epsilons: Sequence[float]) -> int:
        """Those of an epsilon for each."""
        return self.how.forwards * sum(epsilon > 0 for epsilon in epsilons)

    def caveat(self) -> str:
        """What the source declares."""
        return self.how.caveat

    def parameters(self) -> dict[str, Any]:
        """What the library is given, by its own names: the fields and what is held."""
        return {each.metadata["parameter"]: getattr(self, each.name) for each in fields(self)} | dict(self.how.held)
