"""A loaded pair of model and data set in one worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from safetensors.torch import load
from torch import Tensor

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.target_model import ForwardPass, TargetModel
from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.batch import Batch, collate, first_sample
from robustbench_seg.evaluation.host_work import HostWork
from robustbench_seg.evaluation.meter import Meter
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair
from robustbench_seg.evaluation.segmenter import Segmenter
from robustbench_seg.models.base import LoadedModel, restricted
from robustbench_seg.tasks.base import Outputs, Task, seen_by


@dataclass
class WorkerContext:
    """The target model in the data set's classes, the tasks measured, and the pair's attacks in the plan's order.

    `frozen` are the models that tasks have regions of, by name.
    """

    pair: Pair
    model: LoadedModel
    dataset: Dataset
    execution: Execution
    seed: int
    frozen: Mapping[str, LoadedModel] = field(default_factory=dict)
    tasks: dict[str, Task] = field(init=False)
    attacks: tuple[ConfiguredAttack, ...] = field(init=False)
    target_model: TargetModel = field(init=False)
    classes: ClassSet = field(init=False)
    folded: bool = field(init=False)
    segmenters: dict[str, Segmenter] = field(init=False)
    host_work: HostWork = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = self.pair.load_tasks()
        self.attacks = tuple(ConfiguredAttack(configured, self.tasks) for configured in self.pair.configurations)
        self.classes = self.pair.alignment.classes if self.pair.alignment else self.dataset.classes
        # The same image in every worker: what is folded must not depend on which work items a worker gets.
        needed = restricted(self.model.module, self.pair.tasks)
        module, self.folded = self.execution.prepare(needed, self.first.images)
        execution = self.execution
        self.segmenters = {name: Segmenter(model, execution.device) for name, model in self.frozen.items()}
        self.host_work = HostWork(execution.device)
        self.target_model = TargetModel(
            module, self.tasks.values(), self.pair.alignment, execution.precision, execution.eot
        )

    @cached_property
    def first(self) -> Batch:
        """The first image that can be read."""
        return self.first_images(1)

    def first_images(self, count: int) -> Batch:
        """Return the first image that can be read, `count` times."""
        samples = [first_sample(self.dataset, self.tasks)] * count
        (batch,) = collate(self.dataset, samples, self.tasks, self.pair.alignment, self.execution.device)
        return batch

    def bind(self, artefacts: Mapping[tuple[int, float], bytes]) -> None:
        """Run fitted attacks with what was fitted, by configuration and epsilon."""
        for index, attack in enumerate(self.attacks):
            data = {epsilon: artefacts[i, epsilon] for i, epsilon in artefacts if i == index}
            if data:
                attack.bind({epsilon: self._on_device(load(stored)) for epsilon, stored in data.items()})

    def seen(self, batch: Batch) -> dict[str, Tensor]:
        """Return the classes (N,H,W) that frozen models see in a batch, by the keys that labels have them under."""
        return {seen_by(name): segmenter.classes(batch.images) for name, segmenter in self.segmenters.items()}

    def meter(self) -> Meter:
        """Return what counts from here on the work of all models of the pair."""
        beside = [segmenter.seeing for segmenter in self.segmenters.values()]
        return Meter(self.target_model, self.execution.device, beside)

    def reference(self, batch: Batch, outputs: Outputs) -> CleanReference:
        """Return what objectives may look at; `outputs` are those of the clean images."""
        streams = self.under_attack(batch, None).generators
        return CleanReference(outputs, batch.labels, self.tasks, self.classes, self.model.depth_align, streams)

    def under_attack(
        self, batch: Batch, adversarial_loss: AdversarialLoss | None, clean: ForwardPass | None = None
    ) -> AttackContext:
        """Return what an attack sees of a batch; without an adversarial loss it has no model to ask."""
        return AttackContext(
            batch.images,
            batch.ids,
            seed=self.seed,
            target_model=self.target_model if adversarial_loss else None,
            adversarial_loss=adversarial_loss,
            clean=clean,
            clips=batch.clips,
        )

    def gradient(self, batch: Batch) -> Tensor:
        """Return a gradient (N,3,H,W) as attacks take them: of the first task's loss."""
        task = next(iter(self.tasks.values()))
        label = batch.labels[task.key]
        return self.target_model.gradient(batch.images, lambda outputs: task.loss(outputs[task.key], label))

    def _on_device(self, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.execution.device) for name, value in arrays.items()}
