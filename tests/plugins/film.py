"""A data set that can be trained on and that moves: a wall of stripes with a car's grey below."""

import numpy as np

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.data.registry import DATASETS


class Film(Dataset):
    """Four frames of 64x64 a split, 5 m away, that move by 2 px a frame."""

    name = "film"
    classes = CITYSCAPES19
    tasks = ("semantic", "depth")

    def __init__(self, split="val"):
        self.split = split
        self.ids = [f"{split}-{i}" for i in range(4)]
        self.groups = self.ids

    def __getitem__(self, index):
        return self._frame(index, 0)

    def neighbours(self, index):
        """The frames before and after."""
        return self._frame(index, -1), self._frame(index, 1)

    def _frame(self, index, offset):
        row = 120 + 80 * np.sin((np.arange(64) + 2 * offset) / (2.0 + index))
        image = np.repeat(np.repeat(row[None, :, None], 64, 0), 3, 2)
        semantic = np.full((64, 64), 2)
        image[40:], semantic[40:] = 90, 13
        camera = {"intrinsics": np.array([[40, 0, 31.5], [0, 40, 31.5], [0, 0, 1]], np.float32)}
        labels = {"semantic": semantic.astype(np.uint8), "depth": np.full((64, 64), 5, np.float32)}
        return Sample(self.ids[index], image.astype(np.uint8), labels, camera)

    def fingerprint(self):
        """A constant: the frames are a function of the split."""
        return f"film {self.split}"


DATASETS.register("film", "four moving stripes")(Film)
