"""A model and a few images, as model checks look at them: outputs, gradients and losses, each computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.objectives.base import AdversarialLoss, LossChoice
from robustbench_seg.attacks.objectives.task_loss import TaskLoss
from robustbench_seg.checks.attacks import Kind, attack_of, kind_of
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.tasks.base import Outputs, Task, rescaled
from robustbench_seg.tasks.dense import DenseTask

if TYPE_CHECKING:
    from robustbench_seg.attacks.context import AttackContext
    from robustbench_seg.evaluation.batch import Batch
    from robustbench_seg.evaluation.context import WorkerContext


@dataclass(frozen=True)
class Scope:
    """What is looked at: so many images, of which `batch` go together, and what the run's attacks pursue.

    `dense` are the tasks with a value at every pixel, `attacked` those whose own loss an attack takes gradients of,
    `unscaled` those and the losses that one ascends without bringing outputs to one scale first.
    """

    images: int
    batch: int
    attacked: tuple[str, ...]
    unscaled: tuple[tuple[str, str], ...]
    dense: tuple[DenseTask, ...]


def scope_of(
    configurations: Sequence[AttackConfiguration], tasks: Mapping[str, Task], images: int, batch: int
) -> Scope:
    """The scope of a run's configurations on so many images."""
    own = [each for each in configurations if each.objective in tasks]
    attacked = dict.fromkeys(each.objective for each in own if kind_of(each) is Kind.WHITE_BOX)
    losses = [(each.objective, unscaled_loss(each)) for each in own if tasks[each.objective].has_scale]
    unscaled = dict.fromkeys((task, loss) for task, loss in losses if loss is not None)
    dense = tuple(task for task in tasks.values() if isinstance(task, DenseTask))
    return Scope(images, min(images, batch), tuple(attacked), tuple(unscaled), dense)


def unscaled_loss(configuration: AttackConfiguration) -> str | None:
    """The loss that a configuration ascends as it is; None where it brings outputs to one scale, or chooses no loss."""
    attack = attack_of(configuration)
    return attack.loss if isinstance(attack, ChosenLoss) and not attack.scale_free else None


class Probe:
    """The model of a worker's context on batches of images, without the attacks of the run."""

    def __init__(self, context: WorkerContext, batches: Sequence[Batch]) -> None:
        self.context = context
        self.looks = [Look(context, batch) for batch in batches]
        sizes = [len(batch) for batch in batches]
        self.scope = scope_of(context.pair.configurations, context.tasks, sum(sizes), max(sizes, default=0))


@dataclass(frozen=True, eq=False)
class Look:
    """One batch seen by the model."""

    context: WorkerContext
    batch: Batch

    @cached_property
    def outputs(self) -> Outputs:
        """The outputs of the clean images."""
        return self.context.target_model.outputs(self.batch.images)

    def measured(self, task: Task) -> Any:
        """A task's clean output in the unit of its label."""
        seen = rescaled(task, self.outputs, self.batch.labels, self.context.model.depth_align)
        return seen[task.key]

    def under_attack(self, task: str, choice: LossChoice) -> tuple[AttackContext, AdversarialLoss]:
        """What an attack on a task's own loss, or the chosen one, sees of the batch."""
        reference = self.context.reference(self.batch, self.outputs)
        loss = TaskLoss(self.context.tasks[task]).chosen_loss(reference, choice)
        return self.context.under_attack(self.batch, loss), loss
