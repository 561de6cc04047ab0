"""adv-lib (Rony, https://github.com/jeromerony/adversarial-library): minimal perturbations of segmentations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.attacks.objectives.margins import any_change, class_changes
from robustbench_seg.attacks.objectives.task_loss import TaskLoss
from robustbench_seg.attacks.sources.adapter import LibraryAttack, Works
from robustbench_seg.attacks.sources.base import AttackSource, Refused
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import Task

if TYPE_CHECKING:
    from robustbench_seg.attacks.sources.logits import ElementLogits

LEAST_STEPS = 2


@dataclass(frozen=True)
class AdvLibAttack(LibraryAttack):
    """adv-lib's own code, run image by image on the logits of the pixels that are to change.

    Without a budget: it is to change the share `adv_threshold` of them. Lengths are of images in [0,1]; random numbers
    depend on the seed, the image and the attack.
    """

    hidden: ClassVar[frozenset[str]] = frozenset({"model", "inputs", "labels", "masks", "targeted", "callback"})

    def __post_init__(self) -> None:
        super().__post_init__()
        # Several divide by their number less one.
        if self.how.gradients(self) < LEAST_STEPS:
            raise UsageError(f"{self.name} takes at least {LEAST_STEPS} steps, not {self.how.gradients(self)}")
        share = getattr(self, "adv_threshold", 1.0)
        if not 0 < share <= 1:
            raise UsageError(f"{self.name}.adv_threshold {share} must be a share of the pixels, above 0 and at most 1")

    def objectives(self, wanted: Sequence[str] | None, tasks: Mapping[str, Task]) -> list[Objective]:
        """Objectives on class logits; UsageError for another task's loss, and without a target where one is needed."""
        found = class_changes(self.name, super().objectives(wanted, tasks))
        if self.how.needs_target and any(isinstance(objective, TaskLoss) for objective in found):
            raise UsageError(
                f"{self.name} needs classes to turn pixels into: "
                f"--set '{self.name}.objectives=swap:person,car@semantic'"
            )
        return found

    def adversarial_loss(self, objective: Objective, reference: CleanReference) -> AdversarialLoss:
        """A bare task means: every labelled pixel to any wrong class."""
        return any_change(objective, reference)

    def attacked(self, net: ElementLogits, image: Tensor, classes: Tensor, budget: Budget) -> Tensor:
        """What the library's function makes of it."""
        masks = torch.ones_like(classes, dtype=torch.bool)
        made: Tensor = type(self).target(
            net, image, classes, masks=masks, targeted=net.is_targeted, **self.parameters()
        )
        return made


def _works(steps: str = "num_steps", **more: Any) -> Works:
    return Works(lambda attack: getattr(attack, steps), norm="none", **more)


_SEGMENTATION = "attacks/segmentation"
_MODULES = {
    "alma_prox": "alma_prox",
    "asma": "asma",
    "dag": "dense_adversary",
    "pdgd": "primal_dual_gradient_descent",
    "pdpgd": "primal_dual_gradient_descent",
}
_CLASSIFIES = "decides by one label per image"
_SMALLEST = "`advlib:alma_prox` and `advlib:pdpgd` look for the smallest perturbation of a segmentation"


class AdvLib(AttackSource):
    """`advlib:NAME`, such as `advlib:pdpgd`: its attacks on segmentation."""

    name = "advlib"
    distribution = "adv-lib"
    adapter = AdvLibAttack
    attacks: ClassVar[Mapping[str, Works | Refused]] = {
        "alma_prox": _works(),
        "asma": _works(needs_target=True),
        "dag": _works("max_iter", caveat="images of which the share is not reached stay as they are"),
        "pdgd": _works(),
        "pdpgd": _works(held={"norm": float("inf")}),
        "apgd": Refused(_CLASSIFIES, "use `apgd`"),
        "apgd_targeted": Refused(_CLASSIFIES, "use `apgd`"),
        "pgd_linf": Refused(_CLASSIFIES, "use `pgd`"),
        **{
            name: Refused(_CLASSIFIES, _SMALLEST)
            for name in (
                *("alma", "carlini_wagner_l2", "carlini_wagner_linf", "ddn", "df", "sdf", "fab", "fmn", "tr"),
                *("perc_al", "sigma_zero", "fga", "vfga", "str_attack"),
            )
        },
    }

    def require(self) -> None:
        """UsageError where adv-lib is not installed."""
        advlib.require("advlib")

    def target(self, name: str) -> Callable[..., Any]:
        """The function of that name."""
        found: Callable[..., Any] = getattr(advlib.load(f"{_SEGMENTATION}/{_MODULES[name]}"), name)
        return found
