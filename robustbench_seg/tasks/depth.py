"""Monocular depth: RMSE loss, error sums, the usual metrics averaged over images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import Floats, LossSettings, Metric, Pixels
from robustbench_seg.tasks.dense import USUAL_OUTPUTS
from robustbench_seg.tasks.depth_align import ALIGNMENTS, Counted
from robustbench_seg.tasks.depth_crop import CROPS, WHOLE, within
from robustbench_seg.tasks.depth_losses import LOSSES, MAX_DEPTH, MIN_DEPTH
from robustbench_seg.tasks.depth_training import TRAINING_LOSSES
from robustbench_seg.tasks.masked import masked_mean
from robustbench_seg.tasks.regions import POOLING, RegionTask
from robustbench_seg.tasks.rules import MapRule
from robustbench_seg.tasks.surveys import RangeSurvey

NEAR, FAR = 0.5, 100.0
"""Metres at 0 and 1 of the normalised depth that networks predict; the scale between is logarithmic."""
TOO_FAR = 2.0
"""Times the true depth; what is predicted farther away is a hole (Guizilini 2020, section 4.3)."""


@dataclass(eq=False)
class Depth(RegionTask):
    """Depth (N,H,W) in metres against labels (N,H,W) in metres with invalid 0.

    Pixels with `min_depth` < label < `max_depth` within the crop count; predictions are clamped to that range before
    the metrics. RMSE is the mean of per-image RMSE by default (Guizilini 2020 and AT/DT pool it so; other papers
    differ).

    Args:
        regions: whose classes values per class are of: the `label`'s, those that a frozen model sees in the clean
            image (any that `-m` takes), or those that the model itself predicts (`prediction`, which an attack moves).
        class_average: report also every metric's mean over the classes.
        pooling: of RMSE and the others: by `image`, over each `pixel`, or the root of the mean over images of their
            `mean_square` errors.
        min_depth, max_depth: the range in metres.
        crop: which part of the image counts: `none` is left out, or as in `garg` or `eigen`.
        holes: count also the pixels predicted at more than twice their depth, as of cars that seem infinitely far
            (Guizilini 2020, section 4.3).
    """

    name = "depth"
    title = "depth"
    key = "depth"
    group = "geometric"
    invertible = True
    usual_outputs = ("predicted_depth", *USUAL_OUTPUTS)
    metrics = (
        Metric("rmse", "RMSE", False, "m", POOLING),
        Metric("abs_rel", "AbsRel", False, "", POOLING),
        Metric("sq_rel", "SqRel", False, "m", POOLING),
        Metric("rmse_log", "RMSE log", False, "", POOLING),
        Metric("delta1", "δ < 1.25", True, "", POOLING),
        Metric("delta2", "δ < 1.25²", True, "", POOLING),
        Metric("delta3", "δ < 1.25³", True, "", POOLING),
    )
    curve = "rmse"
    attack_losses = LOSSES
    # The camera is taken to stay the same: what looks `zoom` times larger is `zoom` times nearer.
    label_rule = MapRule("float32", 0.0, zoomed=lambda label, zoom: label / zoom)
    optional_metrics = (Metric("holes", "predicted at over twice the depth", False, "", POOLING),)
    errors = ("abs_rel", "sq_rel", "squared", "squared_log", "delta1", "delta2", "delta3")

    min_depth: float = MIN_DEPTH
    max_depth: float = MAX_DEPTH
    crop: str = WHOLE
    holes: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.min_depth < self.max_depth < math.inf:
            raise UsageError(
                f"{self.name}: min_depth {self.min_depth:g} and max_depth {self.max_depth:g} are no range; "
                "give metres with 0 < min_depth < max_depth"
            )
        if self.crop not in CROPS:
            raise UsageError(unknown(f"crop of {self.name}", self.crop, CROPS))

    @property
    def error_names(self) -> tuple[str, ...]:
        """With holes one more."""
        return (*self.errors, "holes") if self.holes else self.errors

    @property
    def pixel_metrics(self) -> tuple[Metric, ...]:
        """With holes one more."""
        return (*type(self).metrics, *(self.optional_metrics if self.holes else ()))

    def implausible(self, metric: str, value: float, num_classes: int) -> str:
        """A relative error above 1."""
        return "worse than predicting 0 m everywhere" if metric == "abs_rel" and value > 1 else ""

    def saturation(self, output: Tensor, label: Tensor) -> float:
        """The share of labelled pixels at the least, or at the largest depth that is predicted or counts."""
        values = output[self.valid_pixels(label)].clamp(self.min_depth, self.max_depth)
        ends = [float((values == end).float().mean()) for end in (values.min(), values.max())] if len(values) else [0.0]
        return max(ends)

    def activate(self, raw: Tensor) -> Tensor:
        """Metres (N,H,W) of raw values (N,1,H,W): their sigmoid is the logarithm of depth between NEAR and FAR."""
        return NEAR * (math.log(FAR / NEAR) * raw[:, 0].sigmoid()).exp()

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """RMSE in metres over an image's valid pixels (UniNet 2021 trains and attacks depth with it)."""
        return _root(masked_mean((output - label).square(), self.valid_pixels(label)))

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """RMSE over all pixels, in whatever unit the two have."""
        return _root((output - target).square().flatten(1).mean(1))

    def alike(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Within a factor of 1.25 of each other, as δ < 1.25 has it."""
        return _within_a_quarter

    def valid_pixels(self, label: Tensor) -> Tensor:
        """Pixels within the range of depths and the crop."""
        return within(CROPS[self.crop], (label > self.min_depth) & (label < self.max_depth))

    def ascended(self, loss: str, progress: float) -> Callable[[Tensor, Tensor], Tensor]:
        """One of `attack_losses`, over the pixels that count; berHu's threshold is of their errors too."""
        form = super().ascended(loss, progress)
        return lambda output, label: form(output, torch.where(self.valid_pixels(label), label, 0.0))

    def rescaling(self, output: Tensor, label: Tensor, how: str) -> Callable[[Tensor], Tensor]:
        """One of `ALIGNMENTS`."""
        return ALIGNMENTS[how].fit(output, self._counted(label))

    def reversed(self, output: Tensor, label: Tensor, how: str) -> float:
        """Where the scale of relative depth is negative."""
        turned = ALIGNMENTS[how].reversed(output, self._counted(label))
        return float(turned.sum() / self.valid(label).sum().clamp(min=1))

    def pixel_errors(self, output: Tensor, label: Tensor) -> Sequence[Tensor]:
        """Relative, squared and logarithmic errors, and whether the ratio is within 1.25, 1.25², 1.25³; holes last."""
        truth, predicted = label.double(), output.double().clamp(self.min_depth, self.max_depth)
        error = (predicted - truth).abs()
        ratio = torch.maximum(predicted / truth, truth / predicted)
        return [
            error / truth,
            error.square() / truth,
            error.square(),
            (predicted.log() - truth.log()).square(),
            *((ratio < 1.25**power).double() for power in (1, 2, 3)),
            *([(predicted > TOO_FAR * truth).double()] if self.holes else []),
        ]

    def image_values(self, means: dict[str, Floats]) -> Mapping[str, Floats]:
        """Roots of the mean squares."""
        return {**means, "rmse": np.sqrt(means["squared"]), "rmse_log": np.sqrt(means["squared_log"])}

    def training_losses(self, output: Tensor, label: Tensor, settings: LossSettings) -> Mapping[str, Tensor]:
        """The loss that the settings name, over all valid pixels of the batch."""
        return {"depth": TRAINING_LOSSES[settings.depth](output, label)}

    def domain_maps(self, output: Tensor, source: Tensor) -> Tensor:
        """Depth between the least and the largest of the labelled domain's batch, which are 0 and 1 (DenseMTL 2023)."""
        near, far = source.detach().aminmax()
        return ((output - near) / (far - near).clamp(min=1e-6)).unsqueeze(1)

    def survey(self, classes: ClassSet) -> RangeSurvey:
        """The range of depth."""
        return RangeSurvey(MIN_DEPTH, MAX_DEPTH, "m")

    def draw_output(self, output: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """Depth on a logarithmic scale; near is bright."""
        from matplotlib import colormaps

        metres = output[i].double().cpu().numpy()
        nearness = 1 - np.log(np.clip(metres, 2, MAX_DEPTH) / 2) / np.log(MAX_DEPTH / 2)
        coloured = (np.asarray(colormaps["magma"](nearness))[..., :3] * 255).round().astype(np.uint8)
        coloured[metres <= 0] = 0
        return coloured

    def _counted(self, label: Tensor) -> Counted:
        return Counted(label, self.valid_pixels(label), self.max_depth)


def _within_a_quarter(first: Tensor, second: Tensor) -> Tensor:
    return torch.maximum(first, second) < 1.25 * torch.minimum(first, second)


def _root(mean: Tensor) -> Tensor:
    # The root has no gradient at 0: an image without valid pixels must give zero, not NaN.
    return torch.where(mean > 0, mean, torch.ones_like(mean)).sqrt() * (mean > 0)
