"""A plugin with a tiny data set and two tiny models, for tests of the evaluation in any process."""

import os
import time

import numpy as np
import torch
from torch import nn

from robustbench_seg import DATASETS, MODELS
from robustbench_seg.classes import CAMVID11, VOID
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.models.base import LoadedModel

COUNT = 12
SIZE = (24, 32)
COLOURS = 128 + (np.asarray(CAMVID11.palette) - 128) // 4


class Toy(Dataset):
    """Blocks of colour whose class and depth follow from the colour; image 3 is all void."""

    name = "toy"
    classes = CAMVID11
    tasks = ("semantic", "depth")

    def __init__(self, split="val"):
        self.split = split
        self.ids = [f"toy-{i:02d}" for i in range(COUNT)]
        self.groups = self.ids

    def __getitem__(self, index):
        rng = np.random.default_rng(index + {"val": 0, "train": 1000}[self.split])
        # Only even images have the class car (8).
        coarse = rng.integers(0, len(CAMVID11) if index % 2 == 0 else 8, (3, 4))
        labels = np.kron(coarse, np.ones((8, 8), np.int64)).astype(np.uint8)
        image = COLOURS[labels] + rng.integers(-7, 8, (*SIZE, 3))
        depth = (labels + 2.0).astype(np.float32)
        if index == 3:
            labels, depth = np.full_like(labels, VOID), np.zeros_like(depth)
        image = image.clip(0, 255).astype(np.uint8)
        return Sample(self.ids[index], image, {"semantic": labels, "depth": depth})

    def fingerprint(self):
        return "toy-1" if self.split == "val" else f"toy-1-{self.split}"


class ColourNet(nn.Module):
    """Logits are minus the distances to the class colours; depth is a linear map of the probabilities."""

    def __init__(self, tasks):
        super().__init__()
        self.tasks = tasks
        colours = torch.from_numpy(COLOURS).float() / 255
        self.conv = nn.Conv2d(3, len(CAMVID11), 1)
        with torch.no_grad():
            self.conv.weight.copy_(200 * colours[:, :, None, None])
            self.conv.bias.copy_(-100 * colours.square().sum(1))

    def forward(self, x):
        time.sleep(float(os.environ.get("TOY_DELAY", "0")))
        logits = self.conv(x)
        metres = torch.arange(len(CAMVID11), device=x.device) + 2.0
        depth = (logits.softmax(1) * metres.view(1, -1, 1, 1)).sum(1)
        return {"semantic": logits, "depth": depth}


def _model(name, tasks):
    return LoadedModel(name, ColourNet(tasks).eval(), tasks, CAMVID11, "none", "0" * 64, "toy")


DATASETS.register("toy", "twelve tiny images")(Toy)


@MODELS.register("toy-single")
def single():
    """Segmentation alone."""
    return _model("toy-single", ("semantic",))


@MODELS.register("toy-multi")
def multi():
    """Segmentation and depth."""
    return _model("toy-multi", ("semantic", "depth"))
