"""A whole training: opens the data that a recipe names, trains, and exports the catalogue entry."""

from __future__ import annotations

from pathlib import Path

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.models.catalogue.card import Card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import Progress
from robustbench_seg.training.method import Splits
from robustbench_seg.training.place import HERE, Place
from robustbench_seg.training.recipe import AdaptationRecipe, DataRecipe, Recipe, VideoRecipe
from robustbench_seg.training.stages.base import Job
from robustbench_seg.training.stages.registry import run_stages


def run_recipe(
    recipe: Recipe,
    work: Path,
    out: Path,
    *,
    root: str | None = None,
    unlabelled_root: str | None = None,
    place: Place = HERE,
    progress: Progress | None = None,
) -> Card | None:
    """Trains in `work`, continuing where it stopped, and writes card, weights and log into `out`.

    `root` is the data set's folder, `unlabelled_root` that of the data set of `[video]` or `[adaptation]`. On
    several devices the first process alone exports, and the others return None.
    """
    if recipe.stages and place.team.part.count > 1:
        raise UsageError(f"--devices {place.team.part.count}: a recipe with stages runs on one device; leave it out")
    train_set, val_set, unlabelled = open_sets(recipe, root, unlabelled_root)
    left = run_stages(Job(recipe, train_set, val_set, unlabelled, place, progress), work)
    if not place.is_first:
        return None
    assert left.training is not None
    stages = left.history if recipe.stages else ()
    return export(
        recipe,
        val_set,
        left.training,
        out,
        unlabelled=unlabelled,
        place=place,
        frames=left.frames,
        stages=stages,
    )


def open_sets(
    recipe: Recipe, root: str | None = None, unlabelled_root: str | None = None
) -> tuple[Dataset, Dataset, Splits | None]:
    """The recipe's training and validation images, and those of its `[video]` or `[adaptation]`.

    UsageError or InputError where they cannot be opened.
    """
    train_set, val_set = (open_data(recipe.data, split, root) for split in (recipe.data.train, recipe.data.val))
    if unlabelled_root is not None and recipe.unlabelled is None:
        raise UsageError(
            f"recipe {recipe.name} has no [video] and no [adaptation], so no folder '{unlabelled_root}' for it; "
            "leave --video or --target out"
        )
    return train_set, val_set, open_unlabelled(recipe.unlabelled, unlabelled_root) if recipe.unlabelled else None


def open_data(recipe: DataRecipe, split: str, root: str | None = None, **options: object) -> Dataset:
    """A split of the recipe's data set, made at the recipe's size where the data set can be.

    `options` are passed where the data set has them.
    """
    # Rendering at a size keeps detail that resizing cannot add.
    size = {"size": recipe.size} if recipe.size else {}
    return DataSpec(recipe.dataset, root, split).load(**size, **options)


def open_unlabelled(recipe: VideoRecipe | AdaptationRecipe, root: str | None = None) -> Splits:
    """Both splits of the data set that is learnt from without labels; of video without frames that lack a neighbour."""
    options = {"video": True} if isinstance(recipe, VideoRecipe) else {}
    return Splits(open_data(recipe, recipe.train, root, **options), open_data(recipe, recipe.val, root))
