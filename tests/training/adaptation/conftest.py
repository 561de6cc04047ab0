from __future__ import annotations

from dataclasses import replace

import pytest

from robustbench_seg.training.method import Splits
from robustbench_seg.training.recipe import AdaptationRecipe, ArchitectureRecipe, DiscriminatorRecipe, Recipe

ENCODER = {
    "channels": [8, 8, 16, 16],
    "layers": [1, 1, 1, 1],
    "stem_type": "deep",
    "stem_width": 8,
    "output_stride": 16,
}
DENSEMTL = {"encoder": "resnet18", "encoder_args": ENCODER, "widths": [16, 8, 8, 8, 8], "dilations": [1, 2]}


@pytest.fixture
def splits(make_toy) -> Splits:
    """A target of other images, darker or brighter in other places."""
    return Splits(make_toy(4, 100), make_toy(2, 200))


@pytest.fixture
def adapted_recipe(recipe: Recipe) -> Recipe:
    """Segmentation and depth with one intermediate level, and dropout."""
    adaptation = AdaptationRecipe("tiny", 3, 0.1, discriminator=DiscriminatorRecipe((4, 8), 1e-2))
    network = ArchitectureRecipe("densemtl", DENSEMTL, "half")
    return replace(recipe, architecture=network, adaptation=adaptation)


@pytest.fixture
def plain_recipe(recipe: Recipe, adapted_recipe: Recipe) -> Recipe:
    """The same with neither levels nor dropout."""
    return replace(adapted_recipe, architecture=recipe.architecture)
