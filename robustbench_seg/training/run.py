"""A whole training: opens the data that a recipe names, trains, and exports the catalogue entry."""

from __future__ import annotations

from pathlib import Path

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.models.catalogue.card import Card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import Progress, train
from robustbench_seg.training.method import VideoSets
from robustbench_seg.training.place import HERE, Place
from robustbench_seg.training.recipe import DataRecipe, Recipe, VideoRecipe


def run_recipe(
    recipe: Recipe,
    work: Path,
    out: Path,
    *,
    root: str | None = None,
    video_root: str | None = None,
    place: Place = HERE,
    progress: Progress | None = None,
) -> Card | None:
    """Trains in `work`, continuing where it stopped, and writes card, weights and log into `out`.

    `root` is the data set's folder, `video_root` that of the data set of `[video]`. On several devices the first
    process alone exports, and the others return None.
    """
    train_set, val_set, video = open_sets(recipe, root, video_root)
    train(recipe, train_set, val_set, work, video=video, place=place, progress=progress)
    return export(recipe, val_set, work, out, video=video, place=place) if place.is_first else None


def open_sets(
    recipe: Recipe, root: str | None = None, video_root: str | None = None
) -> tuple[Dataset, Dataset, VideoSets | None]:
    """The recipe's training and validation images, and those of its `[video]`.

    UsageError or InputError where they cannot be opened.
    """
    train_set, val_set = (open_data(recipe.data, split, root) for split in (recipe.data.train, recipe.data.val))
    if video_root is not None and recipe.video is None:
        raise UsageError(f"recipe {recipe.name} has no [video], so no folder '{video_root}' for it; leave --video out")
    return train_set, val_set, open_video(recipe.video, video_root) if recipe.video else None


def open_data(recipe: DataRecipe, split: str, root: str | None = None, **options: object) -> Dataset:
    """A split of the recipe's data set, made at the recipe's size where the data set can be.

    `options` are passed where the data set has them.
    """
    # Rendering at a size keeps detail that resizing cannot add.
    size = {"size": recipe.size} if recipe.size else {}
    return DataSpec(recipe.dataset, root, split).load(**size, **options)


def open_video(recipe: VideoRecipe, root: str | None = None) -> VideoSets:
    """Both splits of the data set that depth is learnt from, the first without frames that lack a neighbour."""
    return VideoSets(open_data(recipe, recipe.train, root, video=True), open_data(recipe, recipe.val, root))
