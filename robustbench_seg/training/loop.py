"""The training loop: deterministic, resumable bit for bit on the CPU, one CSV row an interval."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import InputError
from robustbench_seg.models.architecture import Request
from robustbench_seg.models.architectures import build
from robustbench_seg.models.normalization import Normalization
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import Task
from robustbench_seg.training.batches import Source, label_key, training_batch
from robustbench_seg.training.init import load_encoder
from robustbench_seg.training.losses import AUXILIARY, BALANCES, TRAINED, LossSettings, class_weights
from robustbench_seg.training.mask_basis import fit_masks
from robustbench_seg.training.recipe import OptimiserRecipe, Recipe
from robustbench_seg.training.rules import RULES
from robustbench_seg.training.schedule import factor
from robustbench_seg.training.state import Average, Row, State, detached, read_state, write_atomically
from robustbench_seg.training.validate import validate

Progress = Callable[[int, int, float], None]
"""Called after every step with (steps done, steps, loss)."""

STATE, BEST, LOG = "state.pt", "best.pt", "log.csv"
DEEP = "deep"
"""The output under which a network in training lists what it predicts on the way, each level at its own size."""
_OPTIMISERS: dict[str, type[torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True)
class Outcome:
    """The best module of a finished run (fp32, eval mode), its step and its validation score."""

    module: nn.Module
    step: int
    score: float


@dataclass(frozen=True)
class Run:
    """What stays the same from step to step."""

    recipe: Recipe
    train: Source
    val: Source
    settings: LossSettings
    device: torch.device
    out: Path


def train(
    recipe: Recipe,
    train_set: Dataset,
    val_set: Dataset,
    out: Path,
    *,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Outcome:
    """Trains to the recipe's last step, from the state in `out` where there is one.

    Writes `state.pt` and `log.csv` every `validate_every` steps and `best.pt` when the first task's curve metric
    improves. The same recipe and data give the same weights on the same machine, interrupted or not.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _prepare(recipe, train_set, val_set, out, torch.device(device))
    state = _initial_state(run)
    if (out / STATE).exists():
        state.restore(out / STATE)
    losses: list[float] = []
    while state.step < recipe.steps:
        losses.append(_step(run, state))
        if progress is not None:
            progress(state.step, recipe.steps, losses[-1])
        if state.step % recipe.validate_every == 0 or state.step == recipe.steps:
            _measure(run, state, sum(losses) / len(losses))
            losses.clear()
    module = state.measured
    module.load_state_dict(read_state(out / BEST)["module"])
    return Outcome(module.eval(), state.best_step, math.nan if state.best is None else state.best)


def build_module(recipe: Recipe, num_classes: int, where: str = "recipe") -> nn.Module:
    """The recipe's network with fresh weights from its seed, its encoder initialised as the recipe says."""
    torch.manual_seed(recipe.seed)
    chosen = recipe.architecture
    request = Request(tuple(recipe.tasks), num_classes, Normalization.parse(chosen.normalization))
    module = build(chosen.name, chosen.parameters, request, where)
    if chosen.init:
        load_encoder(module.get_submodule("encoder"), chosen.init)
    return module


def _prepare(recipe: Recipe, train_set: Dataset, val_set: Dataset, out: Path, device: torch.device) -> Run:
    tasks, size = tuple(recipe.tasks), recipe.data.size
    _refuse_unknown(recipe)
    source = Source(train_set, (*tasks, *recipe.auxiliary), recipe.data.cache, size)
    val = Source(val_set, tasks, recipe.data.cache, size)
    weights = None
    if recipe.class_weights and "semantic" in tasks:
        weights = class_weights(source, len(train_set.classes)).to(device)
    return Run(recipe, source, val, LossSettings(weights, recipe.depth_loss), device, out)


def _refuse_unknown(recipe: Recipe) -> None:
    for kind, asked, known in (("task", recipe.tasks, TRAINED), ("auxiliary task", recipe.auxiliary, AUXILIARY)):
        for name in asked:
            if name not in known:
                raise InputError(f"recipe {recipe.name}: {unknown(f'trainable {kind}', name, known)}")


def _initial_state(run: Run) -> State:
    # Channels-last halves the time of MobileNet's convolutions on a CPU.
    module = build_module(run.recipe, len(run.train.dataset.classes))
    fit_masks(module, run.train)
    module = module.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Average(module, run.recipe.ema) if run.recipe.ema else None
    return State(module.train(), _optimiser(module, run.recipe.optimiser), average, _identity(run))


def _optimiser(module: nn.Module, recipe: OptimiserRecipe) -> torch.optim.Optimizer:
    encoder: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        (encoder if name.startswith("encoder.") else rest).append(parameter)
    groups = [
        {"params": encoder, "peak": recipe.encoder_lr},
        {"params": rest, "peak": recipe.decoder_lr},
    ]
    return _OPTIMISERS[recipe.name](groups, lr=0.0, weight_decay=recipe.weight_decay)  # type: ignore[call-arg]


def _identity(run: Run) -> str:
    """A digest of everything the weights depend on."""
    parts = [dataclasses.asdict(run.recipe), run.train.dataset.fingerprint(), run.val.dataset.fingerprint()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _step(run: Run, state: State) -> float:
    recipe = run.recipe
    images, labels = training_batch(run.train, recipe, state.step)
    for group in state.optimiser.param_groups:
        group["lr"] = group["peak"] * factor(recipe.schedule, state.step, recipe.steps)
    state.module.train()
    outputs = state.module(images.to(run.device, memory_format=torch.channels_last))
    loss = _loss(run, outputs, {key: label.to(run.device) for key, label in labels.items()})
    if not torch.isfinite(loss):
        raise InputError(f"the loss is not finite at step {state.step}; lower the recipe's learning rates")
    state.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimiser.step()
    state.step += 1
    if state.average is not None:
        state.average.update(state.module, state.step)
    return loss.item()


def _loss(run: Run, outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> Tensor:
    """The balanced losses of the final outputs, and the weighted sum of those predicted on the way, a mean a level."""
    recipe = run.recipe
    final = {name: value for task in recipe.tasks for name, value in _weighted(run, task, outputs, labels).items()}
    loss = BALANCES[recipe.balance](final) if final else torch.zeros((), device=run.device, requires_grad=True)
    levels = outputs.get(DEEP, ())
    for level in levels:
        for task, output in level.items():
            size = (output.shape[-2], output.shape[-1])
            own = {key: RULES[key].resize(label, size) for key, label in labels.items() if key == label_key(task)}
            loss = loss + sum(_weighted(run, task, level, own).values()) / len(levels)
    return loss


def _weighted(run: Run, task: str, outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Tensor]:
    weights = {**run.recipe.tasks, **run.recipe.auxiliary}
    compute = TRAINED[task].losses if task in TRAINED else AUXILIARY[task]
    key = label_key(task)
    losses = compute(outputs[key], labels[key], run.settings)
    return {name: weights[task] * value for name, value in losses.items()}


def _measure(run: Run, state: State, loss: float) -> None:
    scores = validate(state.measured, run.val, run.device)
    row: Row = {"step": state.step, "loss": loss}
    row |= {f"{task}_{metric}": value for task, values in scores.items() for metric, value in values.items()}
    state.log.append(row)
    task = TRAINED[next(iter(run.recipe.tasks))].task
    score = scores[task.name][task.curve]
    if _better(task, score, state.best):
        state.best, state.best_step = score, state.step
        write_atomically(run.out / BEST, {"step": state.step, "module": detached(state.measured)})
    _write_log(run.out / LOG, state.log)
    state.save(run.out / STATE)


def _better(task: Task, score: float, best: float | None) -> bool:
    if best is None:
        return True
    return score > best if task.metric(task.curve).higher_is_better else score < best


def _write_log(path: Path, rows: list[Row]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
    os.replace(partial, path)  # noqa: PTH105 - the atomic rename is what matters here
