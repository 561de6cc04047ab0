"""A task of three channels."""

from dataclasses import dataclass

from robustbench_seg import TASKS
from robustbench_seg.tasks.base import Metric
from robustbench_seg.tasks.masked import masked_mean
from robustbench_seg.tasks.regions import POOLING, RegionTask


@TASKS.register("albedo")
@dataclass(eq=False)
class Albedo(RegionTask):
    """Colours (N,3,H,W) from 0 to 1 without noise, per class and overall; those up to `darkest` are unknown."""

    name = "albedo"
    title = "albedo"
    key = "albedo"
    group = None
    planes = 3
    metrics = (Metric("albedo_error", "albedo error", False, "", POOLING),)
    curve = "albedo_error"
    errors = ("albedo_error",)

    darkest: float = 0.0

    def activate(self, raw):
        return raw.sigmoid()

    def loss(self, output, label):
        return masked_mean((output - label).square().sum(1), self.valid_pixels(label))

    def distance(self, output, target):
        return (output - target).square().sum(1).flatten(1).mean(1)

    def valid_pixels(self, label):
        return label.sum(1) > self.darkest

    def pixel_errors(self, output, label):
        return [(output - label).abs().sum(0).double()]

    def draw_output(self, output, i, image, classes):
        return (output[i].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
