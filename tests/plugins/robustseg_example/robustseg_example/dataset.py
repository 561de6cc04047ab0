"""A data set with a label that this package's task predicts."""

import numpy as np

from robustbench_seg import DATASETS, Dataset
from robustbench_seg.classes import CAMVID11
from robustbench_seg.data.base import Sample

_COLOURS = np.asarray(CAMVID11.palette)


@DATASETS.register("blurred")
class Blurred(Dataset):
    """Six noisy images of blocks, with their classes, depth and the colours without noise."""

    name = "blurred"
    classes = CAMVID11
    tasks = ("semantic", "depth", "albedo")

    def __init__(self, split="val"):
        self.split = split
        self.ids = [f"{split}-{i}" for i in range(6)]
        self.groups = self.ids

    def __getitem__(self, index):
        rng = np.random.default_rng((len(self.split), index))
        semantic = np.kron(rng.integers(0, len(self.classes), (4, 6)), np.ones((8, 8), int)).astype(np.uint8)
        colours = 128 + (_COLOURS[semantic] - 128) // 2
        image = (colours + rng.integers(-9, 10, colours.shape)).clip(0, 255).astype(np.uint8)
        albedo = (colours / 255).astype(np.float32).transpose(2, 0, 1)
        labels = {"semantic": semantic, "depth": (semantic + 2).astype(np.float32), "albedo": albedo}
        return Sample(self.ids[index], image, labels)

    def fingerprint(self):
        return f"blurred {self.split}"
