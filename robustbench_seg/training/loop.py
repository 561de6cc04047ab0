"""The training loop: deterministic, resumable bit for bit on the CPU, one CSV row per interval.

On a GPU it runs ahead of the device: it waits for it only when a row is due.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build, check_forward
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.base import LossSettings
from robustbench_seg.tasks.dense import dense_tasks
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.tasks.semantic import Semantic, class_weights
from robustbench_seg.training.batches import Source
from robustbench_seg.training.init import initial_weights, initialise
from robustbench_seg.training.loader import batches
from robustbench_seg.training.losses import Losses
from robustbench_seg.training.mask_basis import fit_masks
from robustbench_seg.training.method import Method, Splits, method_of, unlabelled_checks
from robustbench_seg.training.parts import freeze, train_but
from robustbench_seg.training.place import HERE, Place
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.training.schedule import factor
from robustbench_seg.training.state import Average, Row, State, detached, read_state, write_atomically
from robustbench_seg.training.supervised import Supervised
from robustbench_seg.training.validate import Check, Scores, validate

Progress = Callable[[int, int, float], None]
"""What is called after every step with (steps done, steps, loss); from a GPU the loss is that of an earlier step."""

STATE, BEST, LOG = "state.pt", "best.pt", "log.csv"
_WORDS = ("name", "summary", "licence")


@dataclass(frozen=True)
class Outcome:
    """The best module of a finished run (fp32, eval mode), its step and its validation score (NaN: of none)."""

    module: nn.Module
    step: int
    score: float


@dataclass(frozen=True)
class Run:
    """What stays the same from step to step. `checks` are what is validated on; the first chooses the checkpoint."""

    recipe: Recipe
    method: Method
    train: Source
    checks: tuple[Check, ...]
    place: Place
    out: Path
    identity: str


def train(
    recipe: Recipe,
    train_set: Dataset,
    val_set: Dataset,
    out: Path,
    *,
    unlabelled: Splits | None = None,
    place: Place = HERE,
    progress: Progress | None = None,
) -> Outcome:
    """Trains to the recipe's last step, from the state in `out` where there is one.

    `unlabelled` are the data of the recipe's `[video]` or `[adaptation]`, `place` is where and how a step runs. On
    several devices every process returns the outcome, and only the first calls `progress`.

    Writes `state.pt` and `log.csv` every `validate_every` steps, and `best.pt` when the first task's curve metric
    improves on `val_set`. Where there is no task that is depth's, on the video's validation split, or each time where
    that has none; other labels of `unlabelled` data choose nothing. The same recipe and data give the same weights on
    the same machine, interrupted or not.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _prepare(recipe, train_set, val_set, unlabelled, out, place)
    with place.team.running():
        state = _initial_state(run)
        if (out / STATE).exists():
            state.restore(out / STATE)
        _train(run, state, progress)
    module = state.measured
    module.load_state_dict(read_state(out / BEST)["module"])
    return Outcome(module.eval(), state.best_step, math.nan if state.best is None else state.best)


def build_module(recipe: Recipe, num_classes: int) -> nn.Module:
    """The recipe's network with fresh weights from its seed, frozen where the recipe says so.

    InputError where it cannot be built, cannot take an image, or lacks a part that the recipe names.
    """
    torch.manual_seed(recipe.seed)
    chosen, where = recipe.architecture, f"recipe {recipe.name}"
    request = NetworkRequest(recipe.outputs, num_classes, Normalization.parse(chosen.normalization))
    module = build(chosen.name, chosen.parameters, request, where)
    check_forward(module, where)
    module.train()
    freeze(module, recipe.frozen, f"{where}: frozen")
    return module


def _prepare(
    recipe: Recipe, train_set: Dataset, val_set: Dataset, unlabelled: Splits | None, out: Path, place: Place
) -> Run:
    tasks, size = tuple(recipe.tasks), recipe.data.size
    refuse_unknown(recipe)
    _refuse_uneven(recipe, place.team.part.count)
    source = Source(train_set, (*tasks, *recipe.auxiliary), recipe.data.cache, size)
    weights = None
    if recipe.class_weights and Semantic.name in tasks:
        labels = (source[index][1][Semantic.key] for index in range(len(train_set)))
        weights = class_weights(labels, len(train_set.classes)).to(place.device)
    settings = LossSettings(weights, recipe.depth_loss, recipe.normals_loss, recipe.edge_weight)
    labelled = Supervised(recipe, source, settings, place.device, place.team.part)
    first = (Check(Source(val_set, tasks, recipe.data.cache, size), recipe.depth_align),) if tasks else ()
    checks = (*first, *unlabelled_checks(recipe, unlabelled, train_set.classes))
    identity = _identity(recipe, train_set, checks, unlabelled, place)
    return Run(recipe, method_of(labelled, unlabelled), source, checks, place, out, identity)


def refuse_unknown(recipe: Recipe) -> None:
    """InputError where there is no task of a name that the recipe gives."""
    asked_for = (*recipe.tasks, *recipe.untrained)
    for kind, asked, known in (("task", asked_for, TASKS), ("auxiliary task", recipe.auxiliary, dense_tasks())):
        for name in asked:
            if name not in known:
                raise InputError(f"recipe {recipe.name}: {unknown(kind, name, known)}")


def _refuse_uneven(recipe: Recipe, devices: int) -> None:
    for batch in (recipe.batch, *((recipe.unlabelled.batch,) if recipe.unlabelled else ())):
        if batch % devices:
            raise UsageError(f"--devices {devices}: a batch of {batch} has no {devices} equal parts")


def _initial_state(run: Run) -> State:
    network = build_module(run.recipe, len(run.train.dataset.classes))
    fit_masks(network, run.train)
    initialise(network, run.recipe)
    # Channels-last halves the time of MobileNet's convolutions on a CPU.
    module = run.method.wrapped(network).to(run.place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = run.method.network(module)
    average = Average(network, run.recipe.ema) if run.recipe.ema else None
    return State(module.train(), network, run.method.learners(module), average, run.identity, run.place.device)


def _identity(
    recipe: Recipe, train_set: Dataset, checks: Sequence[Check], unlabelled: Splits | None, place: Place
) -> str:
    """A digest of what the weights depend on; of neighbouring frames kept as files, only those they neighbour.

    What a recipe is called is no part of it, so that recipes with a stage in common may share its folder.
    """
    data = [train_set, *(check.source.dataset for check in checks), *((unlabelled.train,) if unlabelled else ())]
    settings = {key: value for key, value in dataclasses.asdict(recipe).items() if key not in _WORDS}
    parts = [settings, *(dataset.fingerprint() for dataset in data), *place.marks.items()]
    parts += [weights.sha256 for weights in initial_weights(recipe).values()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _train(run: Run, state: State, progress: Progress | None) -> None:
    recipe, method, place = run.recipe, run.method, run.place
    objective, losses = place.objective(state.module, method.loss), Losses(state.step)
    for batch in batches(method.batch, range(state.step, recipe.steps), place.workers, place.device):
        loss = place.team.mean(_step(run, state, objective, batch))
        if not place.is_first:
            continue
        losses.add(loss)
        if progress is not None and losses.latest is not None:
            progress(state.step, recipe.steps, losses.latest)
        if state.step % recipe.validate_every == 0 or state.step == recipe.steps:
            _measure(run, state, losses.mean())


def _step(run: Run, state: State, objective: nn.Module, batch: Any) -> Tensor:
    """One step; returns its loss."""
    recipe = run.recipe
    run.place.team.begin(recipe.seed, state.step)
    state.module.train()
    train_but(state.network, recipe.frozen)
    loss: Tensor = objective(batch)
    for learner in state.learners:
        learner.optimiser.zero_grad()
    with run.place.multiplying():
        loss.backward()  # type: ignore[no-untyped-call]
    for learner in state.learners:
        learner.step(factor(recipe.schedule, state.step, recipe.steps))
    state.step += 1
    if state.average is not None:
        state.average.update(state.network, state.step)
    return loss.detach()


def _measure(run: Run, state: State, loss: float) -> None:
    network = state.measured
    scores = [validate(network, check, run.place.device) for check in run.checks]
    row: Row = {"step": state.step, "loss": loss}
    for check, measured in zip(run.checks, scores, strict=True):
        row |= {f"{check.prefix}{task}_{name}": x for task, values in measured.items() for name, x in values.items()}
    state.log.append(row)
    if not run.checks or _improves(run.checks[0], state, scores[0]):
        state.best_step = state.step
        write_atomically(run.out / BEST, {"step": state.step, "module": detached(network)})
    _write_log(run.out / LOG, state.log)
    state.save(run.out / STATE)


def _improves(check: Check, state: State, scores: Scores) -> bool:
    """Whether the score of the first task is the best so far, as which it is then kept."""
    task = next(iter(check.source.made.values()))
    score, sign = scores[task.name][task.curve], 1 if task.metric(task.curve).higher_is_better else -1
    improves = state.best is None or sign * score > sign * state.best
    if improves:
        state.best = score
    return improves


def _write_log(path: Path, rows: list[Row]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
    partial.replace(path)
