"""torchattacks 3.5.1 (Kim 2020, https://github.com/Harry24k/adversarial-attacks-pytorch): attacks on classifiers.

Most of its losses take a map of logits with its labels as they take one label per image, and average over the pixels.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from robustbench_seg.attacks.budgets import LEVELS, Budget
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.attacks.objectives.margins import class_change
from robustbench_seg.attacks.objectives.task_loss import TaskLoss
from robustbench_seg.attacks.sources.adapter import SEMANTIC, LibraryAttack, Works
from robustbench_seg.attacks.sources.base import AttackSource, Refused
from robustbench_seg.attacks.step_size import AUTOMATIC, StepSize, checked, step_size
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import described
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.names import kind_of

if TYPE_CHECKING:
    from robustbench_seg.attacks.sources.logits import ElementLogits

LIBRARY = "torchattacks"


@dataclass(frozen=True)
class Torchattack(LibraryAttack):
    """torchattacks' own code, run image by image on the logits and labels of labelled pixels alone.

    Epsilon is that of the protocol or `-e`. `alpha` is in units of 1/255, or the share of epsilon that it is in the
    library's defaults; other lengths are of images in [0,1]. Random numbers depend on the seed, the image and the
    attack.
    """

    hidden: ClassVar[frozenset[str]] = frozenset({"model", "verbose", "seed"})

    def __post_init__(self) -> None:
        super().__post_init__()
        checked(self._alpha)
        try:
            self._made(torch.nn.ParameterList([torch.zeros(1)]), 1 / LEVELS, 1 / LEVELS)
        except Exception as error:
            raise UsageError(f"torchattacks refuses {self}: {described(error).strip(': ')}") from error

    def objectives(self, wanted: Sequence[str] | None, tasks: Mapping[str, Task]) -> list[Objective]:
        """The cross-entropy of a segmentation; UsageError for another objective."""
        found = super().objectives(wanted, tasks)
        for objective in found:
            if not isinstance(objective, TaskLoss) or kind_of(objective.name) != SEMANTIC:
                raise UsageError(
                    f"{self.name} has no objective '{objective.name}': its losses are of class logits against labels, "
                    f"so that it attacks {SEMANTIC} alone"
                )
        return found

    def adversarial_loss(self, objective: Objective, reference: CleanReference) -> AdversarialLoss:
        """The task's own loss, whatever of it the library ascends, on every labelled pixel."""
        targets = class_change(objective).adversarial_loss(reference).class_targets
        return replace(super().adversarial_loss(objective, reference), class_targets=targets)

    def attacked(self, net: ElementLogits, image: Tensor, classes: Tensor, budget: Budget) -> Tensor:
        """What an object of the library makes of it."""
        # Where it keeps to an L2 norm, lengths are those of a perturbation with an RMS of 1/255.
        unit = (image.numel() ** 0.5 if budget.norm == "rms" else 1.0) / LEVELS
        alpha = step_size(self._alpha, budget.epsilon, getattr(self, "steps", 1))
        with warnings.catch_warnings(action="ignore"):
            made: Tensor = self._made(net, budget.epsilon * unit, alpha * unit)(image, classes)
        return made

    @property
    def _alpha(self) -> StepSize:
        alpha: StepSize = getattr(self, "alpha", AUTOMATIC)
        return alpha

    def _made(self, net: torch.nn.Module, epsilon: float, alpha: float) -> Any:
        """The object; lengths as the library measures them."""
        parameters = self.parameters() | {self.how.epsilon: epsilon}
        if "alpha" in parameters:
            parameters["alpha"] = alpha
        return type(self).target(net, **parameters)


def _steps(attack: Any) -> int:
    return int(attack.steps)


def _works(gradients: Callable[[Any], int] = _steps, **more: Any) -> Works:
    return Works(gradients, **{"epsilon": "eps"} | more)


_CLASSIFIES = "decides by one label per image"
_LAST = "takes the last dimension of the logits for their classes, which is one of the image here"
_APGD = "use `apgd`, or `-p strong` for an ensemble"
_SMALLEST = "`alma` and `advlib:pdpgd` look for the smallest perturbation"


class Torchattacks(AttackSource):
    """`torchattacks:CLASS`, such as `torchattacks:VMIFGSM`."""

    name = "torchattacks"
    distribution = "torchattacks"
    adapter = Torchattack
    attacks: ClassVar[Mapping[str, Works | Refused]] = {
        "FGSM": _works(lambda attack: 1),
        "FFGSM": _works(lambda attack: 1),
        "RFGSM": _works(),
        "BIM": _works(),
        "PGD": _works(),
        "PGDL2": _works(norm="rms"),
        "EOTPGD": _works(
            lambda attack: attack.steps * attack.eot_iter,
            caveat="a model that draws random numbers draws the same in each pass; use --eot",
        ),
        "TPGD": _works(forwards=1),
        "UPGD": _works(lambda attack: attack.steps * attack.eot_iter, held={"loss": "ce"}),
        "MIFGSM": _works(),
        "NIFGSM": _works(),
        "SINIFGSM": _works(lambda attack: attack.steps * attack.m),
        "VMIFGSM": _works(lambda attack: attack.steps * (attack.N + 1)),
        "VNIFGSM": _works(lambda attack: attack.steps * (attack.N + 1)),
        "TIFGSM": _works(
            held={"diversity_prob": 0.0, "resize_rate": 0.9},
            caveat="without resizing, which moves pixels off their labels",
        ),
        "PIFGSM": _works(lambda attack: attack.num_iter_set, epsilon="max_epsilon"),
        "PIFGSMPP": _works(lambda attack: attack.num_iter_set, epsilon="max_epsilon"),
        "VANILA": Refused("changes nothing"),
        "GN": Refused("is white noise and no attack", "`gaussian` is the same at an exact RMS"),
        "DIFGSM": Refused("resizes images off their labels", "`torchattacks:TIFGSM` and `mi_fgsm` do not"),
        "APGD": Refused(_CLASSIFIES, _APGD),
        "APGDT": Refused(_CLASSIFIES, _APGD),
        "FAB": Refused(_CLASSIFIES, _APGD),
        "AutoAttack": Refused(_CLASSIFIES, _APGD),
        "Square": Refused(_CLASSIFIES, "use `square`"),
        "SPSA": Refused(_LAST, "`square` needs no gradient either"),
        "Jitter": Refused(_LAST),
        "PGDRS": Refused(_LAST),
        "PGDRSL2": Refused(_LAST),
        "CW": Refused(_CLASSIFIES, _SMALLEST),
        "DeepFool": Refused(_CLASSIFIES, _SMALLEST),
        "SparseFool": Refused(_CLASSIFIES, _SMALLEST),
        "EADL1": Refused(_CLASSIFIES, _SMALLEST),
        "EADEN": Refused(_CLASSIFIES, _SMALLEST),
        "JSMA": Refused(_CLASSIFIES),
        "OnePixel": Refused(_CLASSIFIES),
        "Pixle": Refused(_CLASSIFIES),
        "MultiAttack": Refused("is made of other attacks", "give several -a, with `-a worst`"),
        "LGV": Refused("trains the model on a data set first"),
    }

    def require(self) -> None:
        """UsageError where torchattacks is not installed."""
        if importlib.util.find_spec(LIBRARY) is None:
            raise UsageError("torchattacks is needed; pip install 'robustbench-seg[torchattacks]'")

    def target(self, name: str) -> Callable[..., Any]:
        """The class of that name."""
        with warnings.catch_warnings(action="ignore"):
            library = importlib.import_module(LIBRARY)
        found: Callable[..., Any] = getattr(library, name)
        return found
