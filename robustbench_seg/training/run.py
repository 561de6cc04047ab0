"""A whole training: opens the data that a recipe names, trains, and exports the catalogue entry."""

from __future__ import annotations

from pathlib import Path

from robustbench_seg.data.base import Dataset
from robustbench_seg.harness.spec import DataSpec
from robustbench_seg.models.card import Card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import Progress, train
from robustbench_seg.training.recipe import DataRecipe, Recipe


def run_recipe(
    recipe: Recipe,
    work: Path,
    out: Path,
    *,
    root: str | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Card:
    """Trains in `work`, going on where it stopped, and writes card, weights and log into `out`.

    `root` is the data set's folder.
    """
    train_set, val_set = (open_data(recipe.data, split, root) for split in (recipe.data.train, recipe.data.val))
    train(recipe, train_set, val_set, work, device=device, progress=progress)
    return export(recipe, val_set, work, out, device=device)


def open_data(recipe: DataRecipe, split: str, root: str | None = None) -> Dataset:
    """A split of the recipe's data set, made at the recipe's size where the data set can be."""
    # Rendering at a size keeps detail that resizing cannot add.
    return DataSpec(recipe.dataset, root, split).load(**({"size": recipe.size} if recipe.size else {}))
