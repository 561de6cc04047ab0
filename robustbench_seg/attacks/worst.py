"""The worst case over other attacks of a run, made from their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import Objective
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor
from robustbench_seg.tasks.base import Task


@dataclass(frozen=True)
class Worst(Perturbation):
    """Of every image the most harmful of what other attacks on the same objective and norm made of it.

    In `linf` also of what they made at smaller epsilons. Chosen greedily its curve falls there by construction, and is
    nowhere above that of an attack; by image it may be. Costs nothing: it is chosen from what is stored (see
    `results.worst`). Images rounded to 8 bits, where they are scored too, have a worst case of their own.

    Args:
        over: names or labels of the attacks to choose from, separated by `;`; all of the protocol where empty.
        by_image: choose by each image's own value; else greedily by the metric over all images.
    """

    title: ClassVar[str] = "Worst case"
    strength: ClassVar[int | None] = 3

    over: str = ""
    by_image: bool = False

    def objectives(self, wanted: Sequence[str] | None, tasks: Mapping[str, Task]) -> list[Objective]:
        """Tasks' own losses; UsageError for another objective, whose harm no metric of one task measures."""
        chosen = super().objectives(wanted, tasks)
        for objective in chosen:
            if objective.name not in tasks:
                raise UsageError(
                    f"worst has no objective '{objective.name}': it needs a task, as in {', '.join(tasks)}"
                )
        return chosen

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        """There is nothing to run: UsageError."""
        raise UsageError("worst chooses among the results of other attacks; evaluate it beside them")
