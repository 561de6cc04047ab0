"""`robustseg train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_seg.allocator import keep_freed_memory
from robustbench_seg.cli.options import load_plugins, plugin_option
from robustbench_seg.errors import UsageError

if TYPE_CHECKING:
    from robustbench_seg.training.place import Precision


@click.command("train")
@click.argument("recipe")
@click.option("--scale", type=click.Choice(["nano", "paper"]), default="nano", show_default=True)
@click.option("--data", "root", metavar="ROOT", help="Folder of the recipe's data set.")
@click.option(
    "--video",
    "--target",
    "unlabelled_root",
    metavar="ROOT",
    help="Folder of the data set of the recipe's [video] or [adaptation].",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Another seed than the recipe's.")
@click.option("--steps", type=click.IntRange(min=1), help="Another number of steps than the recipe's.")
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="KEY=VALUE,…",
    help="Train with each of these values of a key of the recipe, such as tasks.depth=1,10; given several times, with "
    "every combination. Each has its own folder in WORK; metrics are in WORK/grid.csv.",
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="MODEL",
    help="What the Δ of a grid is relative to: of the catalogue, or a folder that train wrote; several for several "
    "tasks.",
)
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Split each batch over so many, such as the GPUs of this machine.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "tf32", "bf16"]),
    default="fp32",
    show_default=True,
    help="Of the network in training (tf32: on a GPU alone); weights and metrics are fp32.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes that make batches beside the steps of a device (default 0 on a CPU, on a GPU one per core, 8 at "
    "most); the result does not depend on them.",
)
@click.option("--work", type=click.Path(path_type=Path), help="Checkpoints and log (default runs/train/NAME-SCALE).")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for card and weights (default WORK/NAME).")
@plugin_option
def train_command(
    recipe: str,
    scale: str,
    root: str | None,
    unlabelled_root: str | None,
    seed: int | None,
    steps: int | None,
    grids: tuple[str, ...],
    references: tuple[str, ...],
    device: str,
    devices: int,
    precision: Precision,
    workers: int | None,
    work: Path | None,
    out: Path | None,
    plugins: tuple[str, ...],
) -> None:
    """Train from RECIPE (a file, or the name of a shipped model) and write its card and weights.

    Given again it resumes, and gives the same weights as without the interruption.
    """
    keep_freed_memory()
    load_plugins(plugins)
    from robustbench_seg.cli.grid import combinations_of, run_grid
    from robustbench_seg.cli.progress import training_progress
    from robustbench_seg.evaluation.config import resolve_device
    from robustbench_seg.evaluation.run import make_folder
    from robustbench_seg.training.place import open_place
    from robustbench_seg.training.recipe import Recipe, read_recipe, varied
    from robustbench_seg.training.run import run_recipe

    if references and not grids:
        raise UsageError("--reference is what the Δ of a grid is relative to; give --grid too, or leave it out")
    if grids and devices > 1:
        raise UsageError(f"--devices {devices}: each training of a --grid runs on one device; leave it out")
    file = _recipe_file(recipe)

    def recipe_of(changes: Mapping[str, Any]) -> Recipe:
        return varied(read_recipe(file, scale, changes), seed, steps)

    chosen = recipe_of({})
    found = combinations_of(grids, recipe_of, {"seed": seed, "steps": steps}) if grids else []
    work = work or Path("runs") / "train" / f"{chosen.name}-{scale}"
    place = open_place(resolve_device(device), devices, precision, workers)
    if found:
        run_grid(found, work, out, references, place, root=root, unlabelled_root=unlabelled_root)
        return
    out = out or work / chosen.name
    make_folder(work)
    make_folder(out)
    with training_progress() as report:
        card = run_recipe(chosen, work, out, root=root, unlabelled_root=unlabelled_root, place=place, progress=report)
    if card is None:
        return
    assert card.training is not None
    click.echo(f"{card.training.selection}; card and weights in {out}")
    for task, metrics in card.metrics.items():
        click.echo(f"  {task}: {_listed(metrics)}")
    if card.video and card.video.metrics:
        click.echo(f"  depth on {card.video.dataset}: {_listed(card.video.metrics)}")
    if card.adaptation:
        for task, metrics in card.adaptation.metrics.items():
            click.echo(f"  {task} on {card.adaptation.dataset}: {_listed(metrics)}")


def _listed(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def _recipe_file(text: str) -> Path:
    from robustbench_seg._shipped import shipped
    from robustbench_seg.registry import unknown

    if text.endswith(".toml"):
        return Path(text)
    known = {path.parent.name: path for path in shipped("models").glob("*/recipe.toml")}
    if text not in known:
        raise UsageError(f"{unknown('recipe', text, known)}, or give a .toml file")
    return known[text]
