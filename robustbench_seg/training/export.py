"""From a finished run to a catalogue entry: rounded weights, and a card that measured them."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.models.catalogue.card import (
    SCHEMA,
    WEIGHTS,
    AdaptationCard,
    ArchitectureCard,
    Card,
    EvaluationCard,
    TrainingCard,
    VideoCard,
    classes_table,
    write_card,
)
from robustbench_seg.models.catalogue.weights import fit, read_safetensors, save_weights
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.training.batches import Source
from robustbench_seg.training.curves import CURVES, write_curves
from robustbench_seg.training.init import initial_weights
from robustbench_seg.training.loop import BEST, LOG, build_module
from robustbench_seg.training.method import Splits, unlabelled_checks
from robustbench_seg.training.place import HERE, Place
from robustbench_seg.training.recipe import DataRecipe, Recipe
from robustbench_seg.training.stages.frames import FRAMES
from robustbench_seg.training.state import read_state
from robustbench_seg.training.validate import Check, Scores, validate


def export(
    recipe: Recipe,
    val_set: Dataset,
    out: Path,
    folder: Path,
    *,
    unlabelled: Splits | None = None,
    place: Place = HERE,
    frames: Path | None = None,
    stages: tuple[str, ...] = (),
) -> Card:
    """Writes `weights.safetensors` (fp16), `card.toml`, `log.csv` and `curves.png` of the run in `out` into `folder`.

    The metrics on the card are those of the rounded weights as a user loads them. What is
    learnt from `unlabelled` data is measured on theirs, and depth learnt from video on `val_set` where that has depth.
    `frames` is the list of those that clips were read from, which is kept beside the card, and `stages` says in a few
    words what each stage did, where there were several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = recipe.architecture
    module = build_module(recipe, len(val_set.classes))
    best = read_state(out / BEST)
    module.load_state_dict(best["module"])
    sha256 = save_weights(module, folder / WEIGHTS)
    fit(module, read_safetensors(folder / WEIGHTS, sha256), str(folder / WEIGHTS))
    module.to(place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    tasks = tuple(task for task in recipe.outputs if task in val_set.tasks)
    check = Check(Source(val_set, tasks, size=recipe.data.size), recipe.depth_align)
    card = Card(
        schema=SCHEMA,
        name=folder.name,
        summary=recipe.summary,
        licence=recipe.licence,
        tasks=recipe.outputs,
        parameter_count=sum(parameter.numel() for parameter in module.parameters()),
        sha256=sha256,
        architecture=ArchitectureCard(chosen.name, chosen.normalization, chosen.parameters),
        classes=classes_table(val_set.classes),
        training=replace(_training(recipe, val_set, int(best["step"]), unlabelled, place), stages=stages or None),
        evaluation=measured_on(recipe.data, val_set),
        metrics=_rounded(validate(module, check, place.device)),
        depth_align=check.depth_align,
        video=_video(recipe, unlabelled, module, place.device, FRAMES if frames else None),
        adaptation=_adaptation(recipe, unlabelled, module, place.device),
    )
    shutil.copyfile(out / LOG, folder / LOG)
    if frames:
        shutil.copyfile(frames, folder / FRAMES)
    write_curves(folder / LOG, folder / CURVES, folder.name)
    # Last: a folder with a card is whole.
    write_card(card, folder)
    return card


def _training(recipe: Recipe, val_set: Dataset, step: int, unlabelled: Splits | None, place: Place) -> TrainingCard:
    taken = (terms for weights in initial_weights(recipe).values() for terms in weights.terms)
    return TrainingCard(
        dataset=recipe.data.dataset,
        split=recipe.data.train,
        terms="; ".join(dict.fromkeys((val_set.terms, *taken))),
        recipe="recipe.toml",
        selection=f"step {step}, {_selection(recipe, unlabelled, val_set)}",
        init=", ".join(f"{path} from {chosen.from_}" for path, chosen in recipe.init.items()),
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        **place.marks,
    )


def _selection(recipe: Recipe, unlabelled: Splits | None, val_set: Dataset) -> str:
    """How the step was chosen, as `loop.train` does."""
    if recipe.tasks:
        best = f"best {next(iter(recipe.tasks))} on {recipe.data.val}"
    elif recipe.video and unlabelled_checks(recipe, unlabelled, val_set.classes):
        best = f"best {Depth.name} on {recipe.video.dataset}'s {recipe.video.val}"
    else:
        return "the last"
    return f"{best}, so the metrics are slightly optimistic"


def measured_on(data: DataRecipe, val_set: Dataset) -> EvaluationCard:
    """What the metrics on a card of this data are measured on."""
    height, width = data.size or val_set[0].image.shape[:2]
    return EvaluationCard(data.dataset, data.val, len(val_set), (int(height), int(width)))


def _video(
    recipe: Recipe, sets: Splits | None, module: nn.Module, device: torch.device, frames: str | None
) -> VideoCard | None:
    video = recipe.video
    if video is None or sets is None:
        return None
    evaluation, metrics = _unlabelled(recipe, video, sets, module, device)
    return VideoCard(
        video.dataset,
        video.train,
        sets.train.terms,
        video.batch,
        video.gradient_scale,
        frames,
        evaluation,
        metrics.get(Depth.name, {}),
    )


def _adaptation(recipe: Recipe, sets: Splits | None, module: nn.Module, device: torch.device) -> AdaptationCard | None:
    target = recipe.adaptation
    if target is None or sets is None:
        return None
    measured = _unlabelled(recipe, target, sets, module, device)
    return AdaptationCard(target.dataset, target.train, sets.train.terms, target.batch, target.weight, *measured)


def _unlabelled(
    recipe: Recipe, data: DataRecipe, sets: Splits, module: nn.Module, device: torch.device
) -> tuple[EvaluationCard | None, dict[str, dict[str, float]]]:
    """What a card says of the data that is learnt from without labels, where it has any to be measured with."""
    scores = [validate(module, check, device) for check in unlabelled_checks(recipe, sets, sets.val.classes)]
    return (measured_on(data, sets.val), _rounded(scores[0])) if scores else (None, {})


def _rounded(scores: Scores) -> dict[str, dict[str, float]]:
    """Four decimals; a metric without data is dropped."""
    return {
        task: {key: round(value, 4) for key, value in values.items() if not math.isnan(value)}
        for task, values in scores.items()
    }
