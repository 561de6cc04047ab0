"""Category hiding (UniNet 2021, section 4.3): a class gives way to its nearest surroundings."""

from __future__ import annotations

from collections.abc import Callable

from robustbench_seg.attacks.objectives.base import (
    AdversarialLoss,
    CleanReference,
    Description,
    LossChoice,
    Objective,
    Tasks,
    as_it_is,
    split_task,
)
from robustbench_seg.attacks.objectives.targets import pixel_outcome
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.dense import DenseTask, dense_tasks
from robustbench_seg.tasks.semantic import Semantic


class Hide(Objective):
    """Hide a class: descend to a clean prediction in which it is filled in by its nearest surroundings.

    Category hiding (UniNet 2021): each predicted pixel of the class takes the prediction of the nearest pixel of
    another class. Uses no labels.
    """

    def __init__(self, hidden: str, task: Task) -> None:
        assert isinstance(task, DenseTask)
        self.hidden, self.task = hidden, task
        self.name = f"hide:{hidden}@{task.name}"
        self.needs = tuple(dict.fromkeys((Semantic.name, task.name)))

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """`CLASS@TASK`, of every task with a value at every pixel where none is named."""
        hidden, names = split_task(argument, list(dense_tasks()))
        if not hidden:
            raise UsageError("it needs a class, as in hide:person@semantic")
        return [cls(hidden, tasks[name]) for name in names if name in tasks]

    @classmethod
    def describe(cls, argument: str) -> Description:
        """The class."""
        hidden, names = split_task(argument, list(dense_tasks()))
        return Description(f"hiding {hidden}", hidden, attacks=tuple(names), classes=(hidden,))

    def missing_classes(self, classes: ClassSet) -> list[str]:
        """The hidden class, where `classes` lacks it."""
        return [self.hidden] if classes.find(self.hidden) is None else []

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """Images whose clean prediction lacks the class (or is nothing else) are skipped."""
        return self.chosen_loss(reference, LossChoice())

    def chosen_loss(self, reference: CleanReference, choice: LossChoice) -> AdversarialLoss:
        """The same with another loss of the task, towards the target; its own where it has none of that name."""
        index = reference.classes.find(self.hidden)
        assert index is not None
        mask = Semantic().prediction(reference.outputs[Semantic.key]) == index
        attackable = mask.flatten(1).any(1) & ~mask.flatten(1).all(1)
        task = self.task
        clean = task.prediction(reference.outputs[task.key])
        target = fill_from_nearest(clean, mask)
        unit = task.scale_free(reference.outputs[task.key]) if choice.scale_free else as_it_is
        # Only proportions matter to an attack; 1 is exact where all pixels count alike.
        weight = torch.where(mask, 2 * choice.emphasis, 2 * (1 - choice.emphasis))

        def at(progress: float) -> Callable[[Outputs], Tensor]:
            loss = task.descended(choice.name, progress)
            return lambda outputs: -loss(weighted(unit(outputs[task.key]), weight), target)

        return AdversarialLoss(at(0.0), attackable, skips=True, at=at, outcome=pixel_outcome(task, mask, clean, target))


def weighted(output: Tensor, weight: Tensor) -> Tensor:
    """The output (N,...,H,W) as it is, with the gradient at each pixel times its weight (N,H,W)."""
    by_channel = weight if output.dim() == weight.dim() else weight[:, None]
    return output.detach() + by_channel * (output - output.detach())


def fill_from_nearest(values: Tensor, mask: Tensor) -> Tensor:
    """Each masked pixel (N,H,W) of `values` (N,...,H,W) gets the value of the nearest unmasked one (Euclidean).

    An image that is all mask stays as it is.
    """
    from scipy import ndimage

    filled = values.clone()
    for i, hidden in enumerate(mask.cpu().numpy()):
        if hidden.any() and not hidden.all():
            rows, columns = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
            filled[i] = values[i][..., torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]
    return filled
