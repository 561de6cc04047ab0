from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.training.method import Splits
from robustbench_seg.training.recipe import PoseRecipe, Recipe, VideoRecipe

NANO = {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "stem_type": "deep", "stem_width": 8}


class Film(Dataset):
    """A wall of stripes 5 m away that moves by 2 px a frame."""

    name = "film"
    classes = ClassSet("none", ("any",), ((0, 0, 0),))
    tasks = ("depth",)
    terms = "made up too"

    def __init__(self, count: int = 4, size: tuple[int, int] = (64, 64)) -> None:
        self.size = size
        self.ids = [f"{i:03d}" for i in range(count)]
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        return self._frame(index, 0)

    def neighbours(self, index: int) -> tuple[Sample, Sample]:
        return self._frame(index, -1), self._frame(index, 1)

    def _frame(self, index: int, offset: int) -> Sample:
        columns = np.arange(self.size[1]) + 2 * offset
        row = 120 + 80 * np.sin(columns / (2.0 + index))
        image = np.broadcast_to(row[None, :, None], (*self.size, 3)).astype(np.uint8)
        camera = {
            "intrinsics": np.array(
                [[40, 0, (self.size[1] - 1) / 2], [0, 40, (self.size[0] - 1) / 2], [0, 0, 1]], np.float32
            )
        }
        return Sample(self.ids[index], image, {"depth": np.full(self.size, 5.0, np.float32)}, camera)

    def fingerprint(self) -> str:
        return f"film {len(self)} {self.size}"


@pytest.fixture
def film() -> Film:
    return Film()


@pytest.fixture
def sets(film: Film) -> Splits:
    return Splits(film, Film(2))


@pytest.fixture
def joint_recipe(recipe: Recipe) -> Recipe:
    video = VideoRecipe("film", 2, 0.1, 1e-3, pose=PoseRecipe(parameters={"encoder_args": NANO, "width": 16}))
    return replace(recipe, tasks={"semantic": 1.0}, video=video, crop=(64, 64))
