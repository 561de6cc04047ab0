"""Surface normals: the angle between predicted and true directions, averaged over images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from robustbench_seg.classes import ClassSet
from robustbench_seg.lazy import F, Tensor, torch
from robustbench_seg.tasks.attack_loss import AttackLoss
from robustbench_seg.tasks.base import LossSettings, Metric, Pixels
from robustbench_seg.tasks.masked import masked_mean, selected
from robustbench_seg.tasks.regions import POOLING, RegionTask
from robustbench_seg.tasks.rules import MapRule
from robustbench_seg.tasks.surveys import VectorSurvey

THRESHOLDS = (11.25, 22.5, 30.0)
"""Degrees (Eigen and Fergus 2015)."""
_NEAR = math.cos(math.radians(THRESHOLDS[0]))


def _mirrored(normals: Tensor) -> Tensor:
    return normals * normals.new_tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)


def _apart(output: Tensor, label: Tensor) -> Tensor:
    return 1 - F.cosine_similarity(output, label)


def _absolute(output: Tensor, label: Tensor) -> Tensor:
    return (F.normalize(output, dim=1) - label).abs().sum(1)


def _agreement(output: Tensor, label: Tensor, progress: float) -> Tensor:
    # CosPGD makes directions of channels by their softmax; these are directions.
    return F.cosine_similarity(output, label).clamp(min=0)


class Normals(RegionTask):
    """Directions (N,3,H,W) in the camera's frame against unit vectors (N,3,H,W), 0 where invalid.

    Predictions may have any length.
    """

    name = "normals"
    title = "surface normals"
    key = "normals"
    group = "geometric"
    planes = 3
    metrics = (
        Metric("angular_error", "mean angular error", False, "°", POOLING),
        Metric("within_11", "within 11.25°", True, "", POOLING),
        Metric("within_22", "within 22.5°", True, "", POOLING),
        Metric("within_30", "within 30°", True, "", POOLING),
    )
    curve = "angular_error"
    attack_losses: ClassVar[Mapping[str, AttackLoss]] = {
        "l1": AttackLoss("L1 of unit vectors", _absolute),
        "cosine": AttackLoss("CosPGD's 1 - cos", _apart, _agreement),
    }
    label_rule = MapRule("float32", 0.0, flipped=_mirrored)
    errors = ("angular_error", "within_11", "within_22", "within_30")

    def implausible(self, metric: str, value: float, num_classes: int) -> str:
        """A mean angle that random directions have too."""
        return "no better than random directions" if metric == "angular_error" and value >= 90 else ""

    def activate(self, raw: Tensor) -> Tensor:
        """Unit vectors (N,3,H,W)."""
        length: Tensor = raw.norm(dim=1, keepdim=True)
        return raw / length.clamp_min(1e-12)

    def loss(self, output: Tensor, label: Tensor) -> Tensor:
        """1 - cos of the angle, the mean over an image's valid pixels (DenseMTL 2023 trains normals with it)."""
        return masked_mean(_apart(output, label), self.valid_pixels(label))

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """The same over all pixels."""
        return _apart(output, target).flatten(1).mean(1)

    def alike(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Within the first of the metrics' thresholds, 11.25 degrees."""
        return lambda first, second: F.cosine_similarity(first, second) > _NEAR

    def valid_pixels(self, label: Tensor) -> Tensor:
        """Pixels with a direction."""
        return label.square().sum(1) > 0

    def pixel_errors(self, output: Tensor, label: Tensor) -> Sequence[Tensor]:
        """The angle in degrees, and whether it is within each threshold."""
        predicted, truth = output.double(), label.double()
        # Exact at small angles too, where the arc cosine is not; and of vectors of any length.
        across = torch.linalg.cross(predicted, truth, dim=0).norm(dim=0)
        angle = torch.rad2deg(torch.atan2(across, (predicted * truth).sum(0)))
        return [angle, *((angle < threshold).double() for threshold in THRESHOLDS)]

    def training_losses(self, output: Tensor, label: Tensor, settings: LossSettings) -> Mapping[str, Tensor]:
        """L1 of unit vectors, or 1 - cos of their angle, as the settings say, over all valid pixels of the batch."""
        known = self.valid_pixels(label)
        error = {"l1": _absolute, "cosine": _apart}[settings.normals](output, label)
        return {"normals": selected(error, known, 0.0).sum() / known.sum().clamp(min=1)}

    def survey(self, classes: ClassSet) -> VectorSurvey:
        """Where there are normals."""
        return VectorSurvey()

    def draw_output(self, output: Tensor, i: int, image: Tensor, classes: ClassSet) -> Pixels:
        """Directions as colours, -1 to 1 as 0 to 255; invalid is black."""
        vectors = output[i].double()
        length = vectors.norm(dim=0, keepdim=True)
        colours = (vectors / length.clamp(min=1e-12) + 1) * 127.5 * (length > 0)
        return np.asarray(colours.round().byte().permute(1, 2, 0).cpu().numpy(), np.uint8)
