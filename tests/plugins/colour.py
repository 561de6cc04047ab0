"""A plugin with a task of three output channels, a data set that has its labels, and nothing else."""

from pathlib import Path

import numpy as np
import torch

from robustbench_seg import DATASETS, TASKS
from robustbench_seg.registry import load_plugin
from robustbench_seg.tasks.base import Metric, masked_mean
from robustbench_seg.tasks.regions import POOLING, RegionTask

load_plugin(Path(__file__).with_name("toy.py"))
Toy = DATASETS.get("toy")


@TASKS.register("colour")
class Colour(RegionTask):
    """Colours (N,3,H,W) from 0 to 1 without noise; black is unknown."""

    name = "colour"
    title = "true colour"
    key = "colour"
    group = None
    planes = 3
    metrics = (Metric("colour_error", "colour error", False, "", POOLING),)
    curve = "colour_error"
    errors = ("colour_error",)

    def activate(self, raw):
        return raw.sigmoid()

    def loss(self, output, label):
        return masked_mean((output - label).square().sum(1), self._known(label))

    def distance(self, output, target):
        return (output - target).square().sum(1).flatten(1).mean(1)

    def valid(self, label):
        return self._known(label).flatten(1).any(1)

    def pixel_errors(self, output, label):
        keep = label.sum(0) > 0
        return keep, [(output - label).abs().sum(0)[keep].double()]

    def draw_output(self, output, i, image, classes):
        return (output[i].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()

    def _known(self, label):
        return label.sum(1) > 0


@DATASETS.register("coloured")
class Coloured(Toy):
    """The toy data with the colours of its classes."""

    name = "coloured"
    tasks = ("semantic", "depth", "colour")

    def __init__(self, split="val"):
        super().__init__()

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        palette = np.zeros((256, 3), np.float32)
        palette[: len(self.classes)] = np.asarray(self.classes.palette) / 255
        colours = torch.from_numpy(palette[sample.labels["semantic"]]).permute(2, 0, 1).contiguous().numpy()
        return type(sample)(sample.id, sample.image, {**sample.labels, "colour": colours})
