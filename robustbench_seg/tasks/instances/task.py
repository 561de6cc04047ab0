"""What the tasks on instances share: their output and label, whose classes are scored, how they are drawn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import Alignment, ClassSet
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import Floats, LossSettings, Pixels, Statistics, Task, quotient, stack
from robustbench_seg.tasks.instances.parts import dense, losses, positives, truth
from robustbench_seg.tasks.instances.rule import InstanceRule
from robustbench_seg.tasks.surveys import InstanceSurvey

SHOWN_SCORE = 0.3
"""Detections below are neither drawn nor counted in `aspect_ratio`."""


class InstancesTask(Task):
    """A task on `DenseInstances`, all candidates of a batch, against `InstanceLabels`."""

    key = "instances"
    label_rule = InstanceRule()

    def output(self, value: object, shape: Sequence[int], alignment: Alignment | None) -> dense.DenseInstances:
        """The candidates in float32, their logits merged into the alignment's classes."""
        if not isinstance(value, dense.DenseInstances) or len(value) != shape[0]:
            raise InputError(
                f"the model's output has no tensor '{self.key}'; map it with --output {self.key}=KEY"
                if value is None
                else f"output '{self.key}' must be a DenseInstances of {shape[0]} images"
            )
        instances = value.float()
        if alignment is None or alignment.keeps(instances.classes.shape[2]):
            return instances
        return instances.merged(alignment.logit_members)

    def parts(self, output: dense.DenseInstances) -> list[Tensor]:
        """What every head of this kind predicts: classes, boxes, centerness."""
        return [output.classes, output.boxes, output.centerness]

    @abstractmethod
    def shares(self, compared: losses.Comparison) -> dict[str, losses.Share]:
        """Sums over elements and their numbers, image by image, for each raw loss."""

    def losses(self, output: dense.DenseInstances, label: truth.InstanceLabels) -> dict[str, Tensor]:
        """Means (N,) over each image's elements; without one the sum itself (the focal part of the background)."""
        shares = self.shares(losses.Comparison(output, label))
        return {name: total / torch.where(count > 0, count, 1) for name, (total, count) in shares.items()}

    def loss(self, output: dense.DenseInstances, label: truth.InstanceLabels) -> Tensor:
        """The sum of the raw losses (N,)."""
        return torch.stack(list(self.losses(output, label).values())).sum(0)

    def training_losses(
        self, output: dense.DenseInstances, label: truth.InstanceLabels, settings: LossSettings
    ) -> dict[str, Tensor]:
        """The raw losses over all elements of the batch."""
        compared = losses.Comparison(output, label)
        if not self.taught(compared.positives):
            return {}
        return {name: total.sum() / count.sum() for name, (total, count) in self.shares(compared).items()}

    def taught(self, found: positives.Positives) -> bool:
        """Whether positives have anything to train with."""
        return len(found) > 0

    def distance(self, output: dense.DenseInstances, target: dense.DenseInstances) -> Tensor:
        """None is defined from one set of instances to another: UsageError."""
        raise UsageError(f"{self.name}: no loss to another output is defined; hide a class at a dense task instead")

    def valid(self, label: truth.InstanceLabels) -> Tensor:
        """Images with an instance that counts."""
        return torch.stack([(~image.ignored).any() for image in label])

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """Classes with an instance that counts."""
        return np.asarray(stack(statistics, "truth").sum(0) > 0)

    def batch_labels(self, labels: Sequence[Any], alignment: Alignment | None) -> truth.InstanceLabels:
        """The labelled instances, in the alignment's classes."""
        label_map = None if alignment is None else alignment.label_map
        return truth.InstanceLabels(tuple(truth.from_sample(label, label_map) for label in labels))

    def survey(self, classes: ClassSet) -> InstanceSurvey:
        """Instances by class."""
        return InstanceSurvey(classes.names)

    def draw_output(self, output: dense.DenseInstances, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """Boxes and masks of what is detected with some confidence."""
        detections = output.detections()[i]
        shown = detections.scores >= SHOWN_SCORE
        masks = None if detections.masks is None else detections.masks[shown]
        return _drawn(detections.boxes[shown], detections.labels[shown], masks, image, classes)

    def draw_label(self, label: truth.InstanceLabels, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """Boxes and masks of what counts."""
        known = label[i]
        kept = ~known.ignored
        return _drawn(known.boxes[kept], known.labels[kept], known.masks[kept], image, classes)


def pooled_mean(table: Floats, weights: Floats) -> Floats:
    """Sums over counts, all images together: `table` (n,...,columns) whose last column counts, `weights` (R,n).

    The result is (R,...) of the first column; NaN where nothing is counted.
    """
    total = np.tensordot(weights, table, 1)
    return quotient(total[..., 0], total[..., -1])


def _drawn(boxes: Tensor, labels: Tensor, masks: Tensor | None, image: Tensor, classes: ClassSet) -> Pixels:
    """Boxes and masks in the colours of their classes, over the darkened image."""
    from torchvision import utils

    canvas = (image.clamp(0, 1) * 127).byte().cpu()
    # The palette's dark blues and reds are lost on a dark image: lighten them half way.
    colours = ["#{:02x}{:02x}{:02x}".format(*(c // 2 + 127 for c in classes.palette[label])) for label in labels]
    if masks is not None and len(masks):
        # torchvision blackens overlaps; here the surest detection (the nearest instance) lies on top.
        alone = masks & (masks.int().cumsum(0) == 1)
        canvas = utils.draw_segmentation_masks(canvas, alone.cpu(), alpha=0.6, colors=colours)
    if len(boxes):
        # Boxes end at the outer edge of their last pixel, drawn ones in it.
        edges = boxes.cpu().round() - boxes.new_tensor([0.0, 0.0, 1.0, 1.0]).cpu()
        edges[:, 2:] = torch.maximum(edges[:, 2:], edges[:, :2])
        canvas = utils.draw_bounding_boxes(canvas, edges, colors=colours, width=1)
    return np.asarray(canvas.permute(1, 2, 0).numpy(), np.uint8)
