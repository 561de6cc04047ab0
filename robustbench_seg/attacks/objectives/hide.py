"""Category hiding (UniNet 2021, section 4.3): a class gives way to its nearest surroundings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from robustbench_seg import transfer
from robustbench_seg.attacks.objectives.base import (
    AdversarialLoss,
    CleanReference,
    Description,
    LossChoice,
    Objective,
    Tasks,
    as_it_is,
    at_hand,
    split_task,
)
from robustbench_seg.attacks.objectives.targets import pixel_outcome
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.dense import DenseTask, dense_tasks
from robustbench_seg.tasks.semantic import Semantic

FAR = 2**15
"""Further than any row, while the square of twice as much is still an int32."""
STRIP = 2**24
"""How many distances are computed at a time."""


class Hide(Objective):
    """Hide a class: descend to a clean prediction in which it is filled in by its nearest surroundings.

    Category hiding (UniNet 2021): each predicted pixel of the class takes the prediction of the nearest pixel of
    another class. Uses no labels.
    """

    def __init__(self, hidden: str, task: Task) -> None:
        assert isinstance(task, DenseTask)
        self.hidden, self.task = hidden, task
        self.regions = task if isinstance(task, Semantic) else Semantic()
        self.name = f"hide:{hidden}@{task.name}"
        self.needs = tuple(dict.fromkeys((self.regions.name, task.name)))

    @classmethod
    def parse(cls, argument: str, tasks: Tasks) -> list[Objective]:
        """`CLASS@TASK`, of every task with a value at every pixel where none is named."""
        hidden, names = split_task(argument, list(dense_tasks()))
        if not hidden:
            raise UsageError("it needs a class, as in hide:person@semantic")
        return [cls(hidden, task) for task in at_hand(names, tasks)]

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
        regions = self.regions
        index = regions.class_set(reference.classes).find(self.hidden)
        assert index is not None
        mask = regions.prediction(reference.outputs[regions.key]) == index
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

    An image that is all mask stays as it is. Where several are equally near, a CPU and a GPU may take different ones.
    """
    near = nearest_on_host(mask) if transfer.on_host(mask) else nearest_on_device(mask)
    flat, shape = values.flatten(-2), (len(mask), *[1] * (values.dim() - 3), -1)
    return flat.gather(-1, near.view(shape).expand_as(flat)).view_as(values)


def nearest_on_host(mask: Tensor) -> Tensor:
    """The flat index (N,H*W) of the nearest pixel outside of the mask (N,H,W); its own where there is none."""
    from scipy import ndimage

    count, height, width = mask.shape
    near = torch.arange(height * width).repeat(count, 1)
    for i, hidden in enumerate(mask.numpy()):
        if hidden.any() and not hidden.all():
            rows, columns = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
            near[i] = torch.from_numpy(rows.astype(np.int64) * width + columns).flatten()
    return near


def nearest_on_device(mask: Tensor) -> Tensor:
    """The same without waiting for the device: the nearest row of every column, then the nearest of the columns.

    After Felzenszwalb and Huttenlocher (2012), whose second pass is replaced by a search through all columns.
    """
    count, height, width = mask.shape
    rows, columns = (torch.arange(size, dtype=torch.int32, device=mask.device) for size in (height, width))
    down = rows[:, None]
    above = torch.where(mask, -FAR, down).cummax(1).values
    below = torch.where(mask, FAR, down).flip(1).cummin(1).values.flip(1)
    row = torch.where(down - above <= below - down, above, below)
    squared = (row - down).square()
    across = (columns[:, None] - columns).square()
    # Rows are taken a few at a time: a distance for each pair of columns in each of them needs memory.
    strip = max(1, STRIP // (count * width * width))
    column = torch.cat([(across + part[:, :, None]).argmin(-1) for part in torch.split(squared, strip, 1)], 1)
    near = (row.gather(2, column) * width + column).flatten(1)
    nowhere = mask.flatten(1).all(1, keepdim=True)
    return torch.where(nowhere, torch.arange(height * width, device=mask.device), near)
