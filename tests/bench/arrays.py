"""A plugin with a data set that costs next to nothing to read, at any size: `-d arrays:96x192`."""

from __future__ import annotations

import numpy as np

from robustbench_seg import DATASETS
from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Dataset, Sample

COUNT = 1024
BLOCK = 16
_COLOURS = np.asarray(CITYSCAPES19.palette, np.int16)


class Arrays(Dataset):
    """Blocks in the colours of their classes under noise, made from the index; `root` is the size, HxW pixels.

    Every class has a depth of its own.
    """

    classes = CITYSCAPES19
    tasks = ("semantic", "depth")

    def __init__(self, root: str) -> None:
        height, _, width = root.partition("x")
        self.name = "arrays"
        self.size = (int(height), int(width))
        self.ids = [f"{root}-{index:04d}" for index in range(COUNT)]
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        height, width = self.size
        coarse = rng.integers(0, len(CITYSCAPES19), (-(-height // BLOCK), -(-width // BLOCK)), dtype=np.uint8)
        labels = coarse.repeat(BLOCK, 0).repeat(BLOCK, 1)[:height, :width]
        image = _COLOURS[labels] + rng.integers(-20, 21, (height, width, 3), dtype=np.int16)
        depth = (labels + 2).astype(np.float32)
        return Sample(self.ids[index], image.clip(0, 255).astype(np.uint8), {"semantic": labels, "depth": depth})

    def fingerprint(self) -> str:
        return f"arrays-2-{self.size}"


DATASETS.register("arrays", "blocks of colour of any size, for benchmarks")(Arrays)
