"""The stages by name, and those of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from robustbench_seg.errors import InputError
from robustbench_seg.registry import unknown
from robustbench_seg.strict import from_table
from robustbench_seg.training.loop import Progress
from robustbench_seg.training.recipe import Recipe, StageRecipe
from robustbench_seg.training.stages.base import Job, Left, Stage
from robustbench_seg.training.stages.drop import DropBelowGround
from robustbench_seg.training.stages.train import Train

STAGES: Mapping[str, type[Stage]] = {"train": Train, "drop_below_ground": DropBelowGround}


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """A recipe's stages, by default a single training; InputError where one is unknown, or frames go nowhere."""
    where = f"recipe {recipe.name}: stages"
    stages = tuple(_made(chosen, f"{where}[{i}]") for i, chosen in enumerate(recipe.stages)) or (Train(),)
    if not (stages[0].trains and stages[-1].trains):
        raise InputError(f"{where}: the first and the last one must be train")
    return stages


def all_steps(recipe: Recipe) -> int:
    """The steps of all stages."""
    return recipe.steps * sum(stage.trains for stage in stages_of(recipe))


def run_stages(job: Job, work: Path) -> Left:
    """All stages, each in a folder of its own in `work` unless it is the only one; what the last one leaves.

    Stages that are done are found to be so.
    """
    recipe, left, done = job.recipe, Left(), 0
    alone, total = replace(recipe, stages=()), all_steps(recipe)
    for number, stage in enumerate(stages_of(recipe)):
        folder = work / f"{number + 1}-{recipe.stages[number].name}" if recipe.stages else work
        left = stage.run(replace(job, recipe=alone, progress=counted(job.progress, done, total)), folder, left)
        done += recipe.steps * stage.trains
    return left


def counted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one training among several, after `before` of all `total` steps."""
    return (lambda done, _, loss: progress(before + done, total, loss)) if progress else None


def _made(chosen: StageRecipe, where: str) -> Stage:
    if chosen.name not in STAGES:
        raise InputError(f"{where}: {unknown('stage', chosen.name, STAGES)}")
    return from_table(STAGES[chosen.name], chosen.parameters, where)
