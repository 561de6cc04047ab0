"""How a network learns: from labels alone, or from data without labels too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import InputError
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.adaptation.adapted import Adapted
from robustbench_seg.training.batches import Source
from robustbench_seg.training.optimiser import Learner
from robustbench_seg.training.place import Forward
from robustbench_seg.training.recipe import Recipe, VideoRecipe
from robustbench_seg.training.supervised import Supervised
from robustbench_seg.training.validate import Check
from robustbench_seg.training.video.clips import ClipSource
from robustbench_seg.training.video.joint import Joint


@dataclass(frozen=True)
class Splits:
    """The data that is learnt from without labels, and what is measured on where it has labels."""

    train: Dataset
    val: Dataset


class Method(Protocol):
    """How a network learns: what is trained around it, by which optimisers, and the loss of a step."""

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The module that is trained."""

    def network(self, module: nn.Module) -> nn.Module:
        """What is validated and exported of it."""

    def learners(self, module: nn.Module) -> Sequence[Learner]:
        """The module's parameters by the optimiser that moves them; each step, all move at once."""

    def batch(self, step: int) -> Any:
        """What a step learns from, on the host: a pure function of the step, with `pin_memory()` and `to(device)`."""

    def loss(self, forward: Forward, batch: Any) -> Tensor:
        """The scalar loss of a batch, given the module as it is run."""


def method_of(labelled: Supervised, unlabelled: Splits | None) -> Method:
    """How the recipe says its network learns; InputError where it needs `unlabelled` data and there is none."""
    recipe, data = labelled.recipe, labelled.recipe.unlabelled
    if data is None:
        return labelled
    if unlabelled is None:
        raise InputError(f"recipe {recipe.name}: [{data.table}] needs its data sets")
    if isinstance(data, VideoRecipe):
        return Joint(labelled, data, ClipSource(unlabelled.train, data.size, data.cache))
    if not data.weight:
        return labelled
    # No task: the target's labels are not read.
    return Adapted(labelled, data, Source(unlabelled.train, (), data.cache, data.size))


def unlabelled_checks(recipe: Recipe, unlabelled: Splits | None, classes: ClassSet) -> tuple[Check, ...]:
    """The check on the data that is learnt from without labels, of the tasks learnt there that it has labels of.

    `classes` are the network's; InputError where a task would be measured in others.
    """
    data = recipe.unlabelled
    if data is None or unlabelled is None:
        return ()
    val = unlabelled.val
    tasks = tuple(task for task in data.learnt(recipe.tasks) if task in val.tasks)
    if not tasks:
        return ()
    if val.classes != classes and any(TASKS.get(task).has_classes for task in tasks):
        raise InputError(
            f"recipe {recipe.name}: the classes of {val.name} are not those of the labelled data; adapt to a data set "
            f"of the classes {classes.name}"
        )
    return (Check(Source(val, tasks, data.cache, data.size), recipe.depth_align, data.prefix),)
