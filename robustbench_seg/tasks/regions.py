"""Dense tasks measured by the errors of their pixels, over an image and over each semantic region of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import (
    Floats,
    Labels,
    Outputs,
    Pixels,
    Statistics,
    Values,
    by_row,
    quotient,
    stack,
    weighted_mean,
)
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.semantic import Semantic

POOLING = "mean over images of the per-image value"
Regions = Literal["label", "prediction"]


class RegionTask(DenseTask):
    """A dense task whose pixels have errors; `errors` are their names.

    Args:
        regions: what classes a pixel belongs to: the semantic `label`'s, or those of the model's own segmentation
            (`prediction`), whose values under attack are over what is then predicted (Guizilini 2020, without attack).
    """

    errors: ClassVar[tuple[str, ...]]

    def __init__(self, regions: Regions = "label") -> None:
        if regions not in get_args(Regions):
            raise UsageError(f"{self.name}: regions '{regions}' must be {' or '.join(get_args(Regions))}")
        self.regions = regions
        self.reads = (Semantic.name,) if regions == "label" else ()

    @abstractmethod
    def pixel_errors(self, output: Tensor, label: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Which pixels (H,W) of an image are valid, and the errors (P,) float64 of those, one per name."""

    def image_values(self, means: dict[str, Floats]) -> Mapping[str, Floats]:
        """The metrics of an image from the means of its errors; by default those."""
        return means

    def statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> list[Statistics]:
        """Error sums (C+1, E+1): one row per semantic class and a last one for all; the last column counts pixels."""
        regions = self._classes(outputs, labels)
        return [
            {"sums": self._sums(output, label, None if regions is None else regions[i], num_classes)}
            for i, (output, label) in enumerate(zip(outputs[self.key], labels[self.key], strict=True))
        ]

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """Semantic classes with a valid pixel."""
        return np.asarray(stack(statistics, "sums")[:, :-1, -1].sum(0) > 0)

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """Every metric; per class the same over the pixels of that class."""
        sums = stack(statistics, "sums")
        means = quotient(sums[..., :-1], sums[..., -1:])
        table = self.image_values(dict(zip(self.errors, np.moveaxis(means, -1, 0), strict=True)))
        pooled = {metric.name: weighted_mean(table[metric.name], weights) for metric in self.metrics}
        return by_row(pooled, scored)

    def draw_label(self, label: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels | None:
        """A label is drawn as an output."""
        return self.draw_output(label, i, image, classes)

    def _classes(self, outputs: Outputs, labels: Labels) -> Tensor | None:
        if self.regions == "label":
            return labels.get(Semantic.key)
        logits = outputs.get(Semantic.key)
        return None if logits is None else Semantic().prediction(logits)

    def _sums(self, output: Tensor, label: Tensor, regions: Tensor | None, num_classes: int) -> Floats:
        keep, errors = self.pixel_errors(output, label)
        table = torch.stack([*errors, torch.ones_like(errors[0])], 1)
        sums = table.new_zeros(num_classes + 1, table.shape[1])
        sums[-1] = table.sum(0)
        if regions is not None:
            inside = regions[keep]
            named = inside < num_classes
            sums.index_add_(0, inside[named], table[named])
        return sums.cpu().numpy()
