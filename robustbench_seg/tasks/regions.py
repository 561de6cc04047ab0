"""Dense tasks measured by the errors of their pixels, over an image and over each semantic region of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from robustbench_seg import transfer
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.base import (
    Floats,
    Labels,
    Outputs,
    Pixels,
    RawStatistics,
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
    def pixel_errors(self, output: Tensor, label: Tensor) -> Sequence[Tensor]:
        """The errors (...) float64 of an image's pixels, one per name; `output` and `label` are (...) or (K,...).

        They are the valid pixels (see `valid_pixels`). On a GPU others are among them, set to 1, and left out later.
        """

    def image_values(self, means: dict[str, Floats]) -> Mapping[str, Floats]:
        """The metrics of an image from the means of its errors; by default those."""
        return means

    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """Error sums (C+1, E+1): one row per semantic class and a last one for all; the last column counts pixels."""
        label = labels[self.key]
        known, regions = self.valid_pixels(label), self._classes(outputs, labels)
        if regions is None:
            regions = torch.full_like(known, num_classes, dtype=torch.int64)
        # Image by image, so that no sum depends on how images are batched.
        images = zip(outputs[self.key], label, known, regions, strict=True)
        return {"sums": torch.stack([self._sums(*image, num_classes) for image in images])}

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

    def _sums(self, output: Tensor, label: Tensor, known: Tensor, regions: Tensor, num_classes: int) -> Tensor:
        named = torch.where(regions < num_classes, regions, num_classes)
        if transfer.on_host(known):
            place = known.flatten().nonzero()[:, 0]
            output, label, named = (x.flatten(-2).index_select(-1, place) for x in (output, label, named))
            return _added(_table(self.pixel_errors(output, label)), named, num_classes)
        table = _table(self.pixel_errors(*(torch.where(known, x, 1.0) for x in (output, label))))
        return _multiplied(torch.where(known[..., None], table, 0.0), torch.where(known, named, -1), num_classes)


def _table(errors: Sequence[Tensor]) -> Tensor:
    """Errors (...) as columns (...,E+1), the last of which counts."""
    return torch.stack([*errors, torch.ones_like(errors[0])], -1)


def _added(table: Tensor, regions: Tensor, num_classes: int) -> Tensor:
    """Sums (C+1,E+1) over the regions (P,) of the rows of a table (P,E+1), one pixel after another."""
    sums = table.new_zeros(num_classes + 1, table.shape[1]).index_add_(0, regions, table)
    # Those of no class have come here too.
    sums[-1] = table.sum(0)
    return sums


def _multiplied(table: Tensor, regions: Tensor, num_classes: int) -> Tensor:
    """The same of all pixels, regions (H,W) and a table (H,W,E+1), without waiting for the device.

    As a product of matrices it does not add in an order that differs from time to time, as atomic additions do.
    """
    classes = torch.arange(num_classes, device=regions.device)[:, None, None]
    rows = torch.cat([regions == classes, regions[None] >= 0]).flatten(1)
    return rows.to(table.dtype) @ table.flatten(0, -2)
