from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.training.recipe import Recipe, read_recipe

CLASSES = ClassSet("tiny", ("dark", "bright", "never"), ((0, 0, 0), (255, 255, 255), (9, 9, 9)))


class Toy(Dataset):
    """Bright rectangles on dark ground; bright is 5 m away, dark 20 m, the first row is unlabelled."""

    name = "tiny"
    classes = CLASSES
    tasks = ("semantic", "depth")
    terms = "made up"

    def __init__(self, count: int = 6, start: int = 0, size: tuple[int, int] = (64, 64)) -> None:
        self.size = size
        self.start = start
        self.ids = [f"{start + i:03d}" for i in range(count)]
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.start, index))
        semantic = np.zeros(self.size, np.uint8)
        top, left = rng.integers(0, 32, 2)
        semantic[top : top + 32, left : left + 32] = 1
        image = np.where(semantic[..., None] == 1, 200, 50) + rng.integers(-30, 30, (*self.size, 3))
        depth = np.where(semantic == 1, 5.0, 20.0).astype(np.float32)
        semantic[0], depth[0] = 255, 0
        return Sample(self.ids[index], image.astype(np.uint8), {"semantic": semantic, "depth": depth})

    def fingerprint(self) -> str:
        return f"toy {self.start} {len(self)} {self.size}"


RECIPE = """
name = "tiny"
summary = "a toy"
licence = "Apache-2.0"
steps = 6
batch = 2
validate_every = 2
ema = 0.5
[architecture]
name = "klingner"
normalization = "half"
[architecture.parameters]
encoder = "resnet18"
encoder_args = { channels = [8, 8, 16, 16], layers = [1, 1, 1, 1], stem_type = "deep", stem_width = 8 }
widths = [16, 16, 8, 8]
[data]
dataset = "tiny"
[tasks]
semantic = 1.0
depth = 0.5
[optimiser]
encoder_lr = 3e-3
decoder_lr = 3e-3
[augment]
scale = [0.8, 1.25]
[paper]
steps = 100
crop = [192, 640]
[paper.architecture]
parameters = { encoder = "resnet18" }
[paper.optimiser]
name = "adam"
"""


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def recipe(recipe_file: Path) -> Recipe:
    return read_recipe(recipe_file)


@pytest.fixture
def make_toy() -> type[Toy]:
    return Toy
