"""Category hiding (UniNet 2021, section 4.3): a class gives way to its nearest surroundings."""

from __future__ import annotations

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference, Objective
from robustbench_seg.classes import ClassSet
from robustbench_seg.tasks.base import Task


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

    def adversarial_loss(self, reference: CleanReference) -> AdversarialLoss:
        """Images whose clean prediction lacks the class (or is nothing else) are skipped."""
        index = reference.classes.find(self.hidden)
        assert index is not None
        prediction = reference.outputs["semantic"].argmax(1)
        mask = prediction == index
        attackable = mask.flatten(1).any(1) & ~mask.flatten(1).all(1)
        target = fill_from_nearest(self._prediction(reference, prediction), mask)
        task = self.task
        return AdversarialLoss(lambda outputs: -task.distance(outputs[task.key], target), attackable, skips=True)

    def _prediction(self, reference: CleanReference, labels: Tensor) -> Tensor:
        return labels if self.task.name == "semantic" else reference.outputs[self.task.key]


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
