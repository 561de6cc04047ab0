"""A whole training: opens the data that a recipe names, trains, and exports the catalogue entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.models.catalogue.card import Card
from robustbench_seg.randomness import generator
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import Progress
from robustbench_seg.training.method import Splits
from robustbench_seg.training.place import HERE, Place
from robustbench_seg.training.recipe import AdaptationRecipe, DataRecipe, Recipe, VideoRecipe
from robustbench_seg.training.stages.base import Job
from robustbench_seg.training.stages.frames import ChosenFrames
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
    data = recipe.data
    train_set = drawn(open_data(data, data.train, root), data.share, recipe.seed)
    val_set = open_data(data, data.val, root)
    if unlabelled_root is not None and recipe.unlabelled is None:
        raise UsageError(
            f"recipe {recipe.name} has no [video] and no [adaptation], so no folder '{unlabelled_root}' for it; "
            "leave --video or --target out"
        )
    if recipe.unlabelled is None:
        return train_set, val_set, None
    sets = open_unlabelled(recipe.unlabelled, unlabelled_root)
    return train_set, val_set, replace(sets, train=drawn(sets.train, recipe.unlabelled.share, recipe.seed))


def open_data(recipe: DataRecipe, split: str, root: str | None = None, **options: object) -> Dataset:
    """A split of the recipe's data set, made at the recipe's size where the data set can be.

    `options` are passed where the data set has them.
    """
    # Rendering at a size keeps detail that resizing cannot add.
    size = {"size": recipe.size} if recipe.size else {}
    return DataSpec(recipe.dataset, root, split).load(**size, **options)


def drawn(dataset: Dataset, share: float, seed: int) -> Dataset:
    """A share of a data set's samples, at least one, drawn by a seed; a smaller share is part of a larger one."""
    if share == 1:
        return dataset
    order = generator(seed, dataset.name, "share").permutation(len(dataset))
    return ChosenFrames(dataset, [dataset.ids[index] for index in order[: max(1, round(share * len(dataset)))]])


def open_unlabelled(recipe: VideoRecipe | AdaptationRecipe, root: str | None = None) -> Splits:
    """Both splits of the data set that is learnt from without labels; of video without frames that lack a neighbour."""
    options = {"video": True} if isinstance(recipe, VideoRecipe) else {}
    return Splits(open_data(recipe, recipe.train, root, **options), open_data(recipe, recipe.val, root))
