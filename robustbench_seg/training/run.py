"""`robustseg train RECIPE`: opens the data that a recipe names, trains, and exports the catalogue entry."""

from __future__ import annotations

from pathlib import Path

from robustbench_seg.models.card import Card
from robustbench_seg.registries import DATASETS
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import Progress, train
from robustbench_seg.training.recipe import read_recipe


def run_recipe(
    path: Path,
    out: Path,
    *,
    root: str | None = None,
    scale: str = "nano",
    folder: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Card:
    """Trains a recipe into `out` (going on where it stopped) and writes the entry into `folder`.

    `root` is the data set's folder; `folder` is the recipe's own by default at nano scale, else `out/export`.
    """
    recipe = read_recipe(path, scale)
    opened = DATASETS.get(recipe.data.dataset)
    val_set = opened(root, recipe.data.val)
    train(recipe, opened(root, recipe.data.train), val_set, out, device=device, progress=progress)
    target = folder or (path.parent if scale == "nano" else out / "export" / recipe.name)
    return export(recipe, val_set, out, target, device=device)
