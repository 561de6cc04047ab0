"""A loaded pair of model and data set in one worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.batch import Batch, collate, first_sample
from robustbench_seg.evaluation.optimize import Kernels
from robustbench_seg.evaluation.plan import Pair, load_tasks
from robustbench_seg.models.base import LoadedModel, restricted
from robustbench_seg.tasks.base import Task


@dataclass(frozen=True)
class Settings:
    """What every work item of a run shares."""

    seed: int
    kernels: Kernels = field(default_factory=Kernels)
    panel_images: tuple[int, ...] = ()
    image_folder: Path | None = None


@dataclass
class WorkerContext:
    """The target model in the data set's classes and the tasks measured."""

    pair: Pair
    model: LoadedModel
    dataset: Dataset
    settings: Settings
    tasks: dict[str, Task] = field(init=False)
    target_model: TargetModel = field(init=False)
    classes: ClassSet = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = load_tasks(self.pair.tasks)
        self.classes = self.pair.alignment.classes if self.pair.alignment else self.dataset.classes
        kernels = self.settings.kernels
        # The same image in every worker: what is folded must not depend on which work items a worker gets.
        module = kernels.prepare(restricted(self.model.module, self.pair.tasks), self.first.images)
        self.target_model = TargetModel(module, self.tasks.values(), self.pair.alignment, kernels.precision)

    @cached_property
    def first(self) -> Batch:
        """The first image that can be read."""
        (batch,) = collate([first_sample(self.dataset)], self.tasks, self.pair.alignment, self.settings.kernels.device)
        return batch
