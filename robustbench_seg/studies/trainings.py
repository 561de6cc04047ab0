"""What a study trains: recipes of the catalogue, with other seeds or numbers of steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from robustbench_seg._shipped import shipped
from robustbench_seg.evaluation.run import make_folder
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.catalogue.card import CARD
from robustbench_seg.models.registry import card_folders
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.training.grid import named
from robustbench_seg.training.place import open_place
from robustbench_seg.training.recipe import Recipe, read_recipe, varied
from robustbench_seg.training.run import run_recipe

Announce = Callable[[str], None]
Changes = tuple[tuple[str, str | float | bool | tuple[int, ...]], ...]
"""Values of a recipe by dotted key."""


@dataclass(frozen=True)
class Training:
    """A recipe's name, and another seed or number of steps than it says (None: its own).

    `root` stands for the folder of the labelled data in the command, where they are not embedded; `changes` are values
    in place of the recipe's.
    """

    recipe: str
    seed: int | None = None
    steps: int | None = None
    root: str = ""
    changes: Changes = ()

    @property
    def name(self) -> str:
        """The model's name: the recipe's, with what differs from it."""
        return self.read().name

    @property
    def command(self) -> str:
        """What trains it alone."""
        seed = "" if self.seed is None else f" --seed {self.seed}"
        steps = "" if self.steps is None else f" --steps {self.steps}"
        data = f" --data {self.root}" if self.root else ""
        grid = "".join(f" --grid {key}={_written(value)}" for key, value in self.changes)
        return f"robustseg train {self.recipe}{seed}{steps}{data}{grid}"

    def read(self) -> Recipe:
        """The recipe as it is trained."""
        return varied(_recipe(self.recipe, self.changes), self.seed, self.steps)


@cache
def _recipe(name: str, changes: Changes) -> Recipe:
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in changes}
    return named(read_recipe(shipped("models") / name / "recipe.toml", changes=settings), settings)


def _written(value: object) -> str:
    """A value as `--grid` reads it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def obtain(training: Training, work: Path, device: str, announce: Announce, root: str | None = None) -> ModelSpec:
    """The model: shipped, trained before into `work`, or trained now (continuing where it stopped)."""
    if training.name in card_folders():
        return ModelSpec(training.name)
    folder = work / "models" / training.name
    if not (folder / CARD).is_file():
        announce(f"training {training.name}")
        states = work / "train" / training.name
        make_folder(states)
        make_folder(folder)
        run_recipe(training.read(), states, folder, root=root, place=open_place(device))
    return ModelSpec(training.name, folder=str(folder))


def training_table(trainings: Iterable[Training]) -> Table:
    """What was trained, with the command that does it alone."""
    recipes = [(training.command, training.read()) for training in trainings]
    lines = [Line(recipe.name, "", text_cells(str(recipe.steps), str(recipe.seed), line)) for line, recipe in recipes]
    return Table("What was trained", "model", ("steps", "seed", "command"), tuple(lines))
