"""A loaded pair of model and data set in one worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.batch import Batch, collate, first_sample
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair
from robustbench_seg.models.base import LoadedModel, restricted
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.registry import load_tasks


@dataclass
class WorkerContext:
    """The target model in the data set's classes, the tasks measured, and the pair's attacks in the plan's order."""

    pair: Pair
    model: LoadedModel
    dataset: Dataset
    execution: Execution
    seed: int
    tasks: dict[str, Task] = field(init=False)
    attacks: tuple[ConfiguredAttack, ...] = field(init=False)
    target_model: TargetModel = field(init=False)
    classes: ClassSet = field(init=False)
    folded: bool = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = load_tasks(self.pair.tasks)
        self.attacks = tuple(ConfiguredAttack(configured, self.tasks) for configured in self.pair.configurations)
        self.classes = self.pair.alignment.classes if self.pair.alignment else self.dataset.classes
        # The same image in every worker: what is folded must not depend on which work items a worker gets.
        needed = restricted(self.model.module, self.pair.tasks)
        module, self.folded = self.execution.prepare(needed, self.first.images)
        self.target_model = TargetModel(module, self.tasks.values(), self.pair.alignment, self.execution.precision)

    @cached_property
    def first(self) -> Batch:
        """The first image that can be read."""
        return self.first_images(1)

    def first_images(self, count: int) -> Batch:
        """Return the first image that can be read, `count` times."""
        samples = [first_sample(self.dataset)] * count
        (batch,) = collate(self.dataset, samples, self.tasks, self.pair.alignment, self.execution.device)
        return batch

    def gradient(self, batch: Batch) -> Tensor:
        """Return a gradient (N,3,H,W) as attacks take them: of the first task's loss."""
        task = next(iter(self.tasks.values()))
        label = batch.labels[task.key]
        return self.target_model.gradient(batch.images, lambda outputs: task.loss(outputs[task.key], label))
