"""From a finished run to a catalogue entry: rounded weights, and a card that measured them."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import torch
from torch import nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.models.card import (
    SCHEMA,
    WEIGHTS,
    ArchitectureCard,
    Card,
    EvaluationCard,
    TrainingCard,
    classes_table,
    write_card,
)
from robustbench_seg.models.weights import fit, read_safetensors, save_weights
from robustbench_seg.training.batches import Source
from robustbench_seg.training.loop import BEST, LOG, build_module
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.training.state import read_state
from robustbench_seg.training.validate import Scores, validate


def export(recipe: Recipe, val_set: Dataset, out: Path, folder: Path, *, device: str | torch.device = "cpu") -> Card:
    """Writes `weights.safetensors` (fp16), `card.toml` and `log.csv` of the run in `out` into `folder`.

    The metrics on the card are those of the rounded weights as a user loads them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = build_module(recipe, len(val_set.classes))
    best = read_state(out / BEST)
    module.load_state_dict(best["module"])
    sha256 = save_weights(module, folder / WEIGHTS)
    fit(module, read_safetensors(folder / WEIGHTS, sha256), str(folder / WEIGHTS))
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    source = Source(val_set, tuple(recipe.tasks), size=recipe.data.size)
    scores = validate(module, source, torch.device(device))
    card = _card(recipe, val_set, module, sha256, int(best["step"]), folder.name, scores)
    write_card(card, folder)
    shutil.copyfile(out / LOG, folder / LOG)
    return card


def _card(
    recipe: Recipe, val_set: Dataset, module: nn.Module, sha256: str, step: int, name: str, scores: Scores
) -> Card:
    first = next(iter(recipe.tasks))
    height, width = recipe.data.size or val_set[0].image.shape[:2]
    chosen = recipe.architecture
    return Card(
        schema=SCHEMA,
        name=name,
        summary=recipe.summary,
        licence=recipe.licence,
        tasks=tuple(recipe.tasks),
        parameter_count=sum(parameter.numel() for parameter in module.parameters()),
        sha256=sha256,
        architecture=ArchitectureCard(chosen.name, chosen.normalization, chosen.parameters),
        classes=classes_table(val_set.classes),
        training=TrainingCard(
            dataset=recipe.data.dataset,
            split=recipe.data.train,
            terms=val_set.terms,
            recipe="recipe.toml",
            selection=f"step {step}, best {first} on {recipe.data.val}, so the metrics are slightly optimistic",
            init=chosen.init,
            steps=recipe.steps,
            batch=recipe.batch,
            seed=recipe.seed,
        ),
        evaluation=EvaluationCard(recipe.data.dataset, recipe.data.val, len(val_set), (int(height), int(width))),
        metrics={task: _rounded(values) for task, values in scores.items()},
    )


def _rounded(values: dict[str, float]) -> dict[str, float]:
    """Four decimals; a metric without data is left out."""
    return {key: round(value, 4) for key, value in values.items() if not math.isnan(value)}
