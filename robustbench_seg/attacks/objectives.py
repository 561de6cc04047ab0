"""Objectives: what an attack pursues. Each turns clean outputs and labels into a per-image goal to ascend.

The grammar of names: a task (`semantic`, `depth`) for that task's loss, `hide:CLASS@TASK`,
`swap:CLASS,CLASS@TASK`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from robustbench_seg.classes import VOID, ClassSet, canonical
from robustbench_seg.errors import UsageError
from robustbench_seg.registries import TASKS
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.depth import median_ratio

Labels = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Scene:
    """What an objective may look at: the clean outputs (detached), the labels and the names of the batch."""

    outputs: Outputs
    labels: Labels
    tasks: Mapping[str, Task]
    classes: ClassSet
    median_scaling: bool
    generators: Callable[[str], Sequence[np.random.Generator]]


@dataclass(frozen=True, eq=False)
class Goal:
    """A per-image loss (N,) to ascend, and the images (N,) bool that have something to pursue.

    `skips` says that images without a target have no value in this cell (hiding), rather than staying as they are
    and being counted. `outcome` counts what the attack reached, per image.
    """

    loss: Callable[[Outputs], Tensor]
    active: Tensor
    skips: bool = False
    outcome: Callable[[Outputs], Mapping[str, Tensor]] | None = None


class Objective(ABC):
    """One objective. `name` is how it is written, `needs` the model outputs it uses."""

    name: str
    needs: tuple[str, ...]

    @abstractmethod
    def goal(self, scene: Scene) -> Goal:
        """The goal for one batch."""

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """Classes the objective names that `classes` lacks."""
        return []


class TaskLoss(Objective):
    """Ascend a task's own loss against the labels."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.name = task.name
        self.needs = (task.name,)

    def goal(self, scene: Scene) -> Goal:
        """Void pixels have no loss; an image without a valid label has no target."""
        task, label = self.task, scene.labels[self.task.key]
        # A model of relative depth is compared at the scale of its clean prediction, a constant of the attack.
        scale = torch.ones((), device=label.device)
        if task.name == "depth" and scene.median_scaling:
            scale = median_ratio(scene.outputs["depth"], label).view(-1, 1, 1)
        return Goal(lambda outputs: task.loss(outputs[task.key] * scale, label), task.valid(label))


class Hide(Objective):
    """Hide a class: descend to a clean prediction in which it is filled in by its nearest surroundings.

    Category hiding (UniNet 2021): each predicted pixel of the class takes the prediction of the nearest pixel of
    another class. Uses no labels.
    """

    def __init__(self, hidden: str, task: Task) -> None:
        self.hidden, self.task = hidden, task
        self.name = f"hide:{hidden}@{task.name}"
        self.needs = tuple(dict.fromkeys(("semantic", task.name)))

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """The hidden class, where `classes` lacks it."""
        return [self.hidden] if classes.find(self.hidden) is None else []

    def goal(self, scene: Scene) -> Goal:
        """Images whose clean prediction lacks the class (or is nothing else) are skipped."""
        index = scene.classes.find(self.hidden)
        assert index is not None
        prediction = scene.outputs["semantic"].argmax(1)
        mask = prediction == index
        active = mask.flatten(1).any(1) & ~mask.flatten(1).all(1)
        target = fill_from_nearest(self._prediction(scene, prediction), mask)
        task = self.task
        return Goal(lambda outputs: -task.distance(outputs[task.key], target), active, skips=True)

    def _prediction(self, scene: Scene, labels: Tensor) -> Tensor:
        return labels if self.task.name == "semantic" else scene.outputs[self.task.key]


class Swap(Objective):
    """Swap two classes: raise each one's rival logit where the clean prediction is one of them.

    The dense adversary generation of Xie et al. 2017 with the permutation of UniNet 2021; active are the pixels
    still predicted as on the clean image. Uses no labels.
    """

    def __init__(self, first: str, second: str, task: Task) -> None:
        self.pair = (first, second)
        self.name = f"swap:{first},{second}@{task.name}"
        self.needs = (task.name,)
        self.key = task.key

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """Those of the two that `classes` lacks."""
        return [name for name in self.pair if classes.find(name) is None]

    def goal(self, scene: Scene) -> Goal:
        """Images without a pixel of either class have no target."""
        first, second = (scene.classes.find(name) for name in self.pair)
        assert first is not None
        assert second is not None
        current = scene.outputs[self.key].argmax(1)
        rival = torch.where(current == first, second, first)
        return margin_goal(self.key, current, rival, (current == first) | (current == second))


class AnyWrong(Objective):
    """Turn every correctly predicted pixel into a random wrong class (the original, untargeted DAG)."""

    def __init__(self, task: Task) -> None:
        self.name = task.name
        self.needs = (task.name,)
        self.key = task.key

    def goal(self, scene: Scene) -> Goal:
        """Only labelled pixels that are predicted right on the clean image are targets."""
        label, count = scene.labels[self.key], len(scene.classes)
        clean = scene.outputs[self.key].argmax(1)
        shifts = [g.integers(1, count, label.shape[1:]) for g in scene.generators("rival")]
        rival = (label + torch.from_numpy(np.stack(shifts)).to(label.device)) % count
        return margin_goal(self.key, label, rival, (label != VOID) & (clean == label))


def margin_goal(key: str, current: Tensor, rival: Tensor, targets: Tensor) -> Goal:
    """Raise f_rival - f_current over the targets that are still predicted `current`; all maps are (N,H,W)."""
    current = torch.where(targets, current, 0)

    def loss(outputs: Outputs) -> Tensor:
        logits = outputs[key]
        still = targets & (logits.argmax(1) == current)
        gap = logits.gather(1, rival[:, None]) - logits.gather(1, current[:, None])
        return torch.where(still, gap[:, 0], torch.zeros_like(gap[:, 0])).flatten(1).sum(1)

    def outcome(outputs: Outputs) -> Mapping[str, Tensor]:
        now = outputs[key].argmax(1)
        counts = {
            "targets": targets,
            "targets_changed": targets & (now != current),
            "targets_reached": targets & (now == rival),
        }
        return {name: mask.flatten(1).sum(1) for name, mask in counts.items()}

    return Goal(loss, targets.flatten(1).any(1), outcome=outcome)


def fill_from_nearest(values: Tensor, mask: Tensor) -> Tensor:
    """`values` (N,H,W) with the masked pixels replaced by the value of the nearest unmasked pixel (Euclidean).

    An image that is all mask stays as it is.
    """
    filled = values.clone()
    for i, hidden in enumerate(mask.cpu().numpy()):
        if hidden.any() and not hidden.all():
            rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
            filled[i] = values[i][torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]
    return filled


def _hide(argument: str, task: Task) -> Objective:
    if not argument:
        raise UsageError("objective 'hide:' needs a class, as in hide:person@semantic")
    return Hide(argument, task)


def _swap(argument: str, task: Task) -> Objective:
    first, comma, second = argument.partition(",")
    if not comma or not first or not second:
        raise UsageError(f"objective 'swap:{argument}' needs two classes, as in swap:person,car@semantic")
    if canonical(first) == canonical(second):
        raise UsageError(f"objective 'swap:{argument}' names one class twice; give two")
    return Swap(first.strip(), second.strip(), task)


_PREFIXES: dict[str, tuple[Callable[[str, Task], Objective], tuple[str, ...]]] = {
    "hide": (_hide, ("semantic", "depth")),
    "swap": (_swap, ("semantic",)),
}


def parse_objective(text: str, tasks: Mapping[str, Task]) -> list[Objective]:
    """The objectives a name stands for, given the tasks at hand; one a task where it names none (`hide:person`).

    A task that is not among `tasks` gives an empty list (the caller notes it); a name that means nothing raises
    UsageError.
    """
    prefix, colon, rest = text.partition(":")
    if not colon:
        if text not in tasks:
            TASKS.entry(text)  # a near miss is an error, a task that this model lacks is not
        return [TaskLoss(tasks[text])] if text in tasks else []
    if prefix not in _PREFIXES:
        raise UsageError(
            f"objective '{text}': unknown kind '{prefix}:'; known: {', '.join(_PREFIXES)}, or a task's name"
        )
    make, supported = _PREFIXES[prefix]
    argument, at, task = rest.partition("@")
    if at and task not in supported:
        raise UsageError(f"objective '{text}': '{prefix}:' works on {', '.join(supported)}, not '{task}'")
    wanted = (task,) if at else supported
    return [make(argument.strip(), tasks[name]) for name in wanted if name in tasks]
