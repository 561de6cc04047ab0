"""What the study trains: each entry is a recipe of the catalogue with a seed and a number of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from robustbench_seg._shipped import shipped
from robustbench_seg.evaluation.run import make_folder
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.catalogue.card import CARD
from robustbench_seg.models.catalogue.index import folders
from robustbench_seg.training.recipe import Recipe, read_recipe, varied
from robustbench_seg.training.run import run_recipe

SINGLE = "single task"
LAMBDAS = ("0.1", "0.2", "0.3", "0.5", "0.6", "0.9", "1.0")
SEEDS = (None, 1, 2)
"""The recipe's own, which is 0, and two more."""
SHORT = 600
"""Steps of the ablation; all of its networks have the same."""
CAMVID_LAMBDAS = ("0.1", "0.2")

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Training:
    """A recipe's name, and another seed or number of steps than it says (None: its own).

    `root` stands for the folder of the labelled data in the command, where they are not embedded.
    """

    recipe: str
    seed: int | None = None
    steps: int | None = None
    root: str = ""

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
        return f"robustseg train {self.recipe}{seed}{steps}{data}"

    def read(self) -> Recipe:
        """The recipe as it is trained."""
        return varied(_recipe(self.recipe), self.seed, self.steps)


@cache
def _recipe(name: str) -> Recipe:
    return read_recipe(shipped("models") / name / "recipe.toml")


def street_recipe(kind: str) -> str:
    """The recipe of `single task` or of a λ."""
    return "klingner-single" if kind == SINGLE else f"klingner-multi-{kind}"


def camvid_recipe(kind: str) -> str:
    """The same for the real-data variant."""
    return "klingner-camvid-single" if kind == SINGLE else f"klingner-camvid-multi-{kind}"


FULL = {kind: tuple(Training(street_recipe(kind), seed) for seed in SEEDS) for kind in (SINGLE, "0.1")}
"""Trained to the end, several times."""
ABLATION = {kind: (Training(street_recipe(kind), steps=SHORT),) for kind in (SINGLE, *LAMBDAS)}
"""Trained once each, shorter, and as long as each other."""
CAMVID = {kind: (Training(camvid_recipe(kind), root="CAMVID"),) for kind in (SINGLE, *CAMVID_LAMBDAS)}
"""Segmentation of CamVid, depth from video of street-b."""


def obtain(training: Training, work: Path, device: str, announce: Announce, root: str | None = None) -> ModelSpec:
    """The model: shipped, trained before into `work`, or trained now (going on where it stopped)."""
    if training.name in folders():
        return ModelSpec(training.name)
    folder = work / "models" / training.name
    if not (folder / CARD).is_file():
        announce(f"training {training.name}")
        states = work / "train" / training.name
        make_folder(states)
        make_folder(folder)
        run_recipe(training.read(), states, folder, root=root, device=device)
    return ModelSpec(training.name, folder=str(folder))
