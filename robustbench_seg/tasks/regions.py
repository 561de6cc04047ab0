"""Dense tasks measured by the errors of their pixels, over an image and over each semantic region of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from robustbench_seg import transfer
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import (
    Floats,
    Labels,
    Metric,
    Outputs,
    Pixels,
    RawStatistics,
    Statistics,
    Values,
    by_row,
    class_mean,
    quotient,
    seen_by,
    stack,
)
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.pooling import IMAGE, POOLINGS
from robustbench_seg.tasks.semantic import Semantic

POOLING = POOLINGS[IMAGE].text
LABEL, PREDICTION = "label", "prediction"


@dataclass(eq=False)
class RegionTask(DenseTask):
    """A dense task whose pixels have errors; `errors` are their names.

    `optional_metrics` are reported beside `metrics` where a parameter asks for them.

    Args:
        regions: which class a pixel belongs to: that of the semantic `label`; of a frozen model, as `-m` names it, in
            the clean image (Guizilini 2020), so that no attack moves the regions; or of the model's own segmentation
            (`prediction`), under attack of what it then predicts.
        class_average: report also the mean over the classes of every metric (Guizilini 2020, table 2).
        pooling: how the pixels of all images are pooled: one of `POOLINGS`.
    """

    errors: ClassVar[tuple[str, ...]]
    optional_metrics: ClassVar[tuple[Metric, ...]] = ()

    regions: str = LABEL
    class_average: bool = False
    pooling: str = IMAGE

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise UsageError(unknown(f"pooling of {self.name}", self.pooling, POOLINGS))
        self.reads = (Semantic.name,) if self.regions == LABEL else ()
        self.segmenter = "" if self.regions in (LABEL, PREDICTION) else self.regions
        own = [replace(metric, pooling=POOLINGS[self.pooling].text) for metric in self.pixel_metrics]
        self.metrics = (*own, *(map(_average, own) if self.class_average else ()))

    @property
    def every_metric(self) -> tuple[Metric, ...]:
        """Those of all pixels, and the averages over classes."""
        own = (*type(self).metrics, *self.optional_metrics)
        return (*own, *map(_average, own))

    @property
    def error_names(self) -> tuple[str, ...]:
        """The names of what `pixel_errors` gives with these parameters."""
        return self.errors

    @property
    def pixel_metrics(self) -> tuple[Metric, ...]:
        """The metrics over pixels that these parameters ask for."""
        return type(self).metrics

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
        """Classes with a valid pixel."""
        return np.asarray(stack(statistics, "sums")[:, :-1, -1].sum(0) > 0)

    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """Every metric; per class the same over the pixels of that class."""

        def metrics(sums: Floats) -> Mapping[str, Floats]:
            means = quotient(sums[..., :-1], sums[..., -1:])
            table = self.image_values(dict(zip(self.error_names, np.moveaxis(means, -1, 0), strict=True)))
            return {metric.name: table[metric.name] for metric in self.pixel_metrics}

        values = by_row(POOLINGS[self.pooling].pool(stack(statistics, "sums"), weights, metrics), scored)
        if not self.class_average:
            return values
        averages = {_average(self.metric(name)).name: class_mean(of) for name, of in values.classes.items()}
        return Values({**values.overall, **averages}, values.classes)

    def draw_label(self, label: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels | None:
        """A label is drawn as an output."""
        return self.draw_output(label, i, image, classes)

    def _classes(self, outputs: Outputs, labels: Labels) -> Tensor | None:
        if self.regions == LABEL:
            return labels.get(Semantic.key)
        if self.segmenter:
            return labels.get(seen_by(self.segmenter))
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


def _average(metric: Metric) -> Metric:
    """The mean over classes of a metric's values of each."""
    pooling = f"mean over classes of the {metric.pooling}"
    return replace(metric, name=f"class_{metric.name}", title=f"{metric.title}, class average", pooling=pooling)


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
