"""`robustbench_seg.attack`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from robustbench_seg.api.models import PLAIN, loaded
from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import strength
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.registry import load_tasks


@dataclass(frozen=True, eq=False)
class Attacked:
    """What an attack made of a batch of N images.

    `images` (N,3,H,W) are the perturbed ones. `rms` and `linf` (N,) are in units of 1/255, `snr_db` (N,) in dB
    (infinite where nothing moved). `clean_loss` and `loss` (N,) are what the attack ascends, before and after it;
    `attackable` (N,) says which images had a target, `outcome` counts what a targeted attack reached per
    image: `targets`, `targets_changed`, `targets_reached`. Noise ascends nothing: no losses, all images attackable.
    """

    images: Tensor
    rms: Tensor
    linf: Tensor
    snr_db: Tensor
    attackable: Tensor
    clean_loss: Tensor | None = None
    loss: Tensor | None = None
    outcome: Mapping[str, Tensor] = field(default_factory=dict)


def attack(
    model: str | nn.Module | LoadedModel,
    images: Tensor,
    labels: Any = None,
    attack: str | Perturbation = "pgd",
    *,
    epsilon: float | None = None,
    norm: str | None = None,
    task: str = DEFAULT_TASK,
    objective: str | None = None,
    classes: ClassSet | None = None,
    seed: int = 0,
    **params: Any,
) -> Attacked:
    """Perturb a batch of images.

    Args:
        model: as in `evaluate`; a plain module predicts `task`.
        images: (N,3,H,W) float32 RGB in [0,1], on the model's device.
        labels: of the task, as its loss takes them (semantic: (N,H,W) int64, void 255; depth: (N,H,W) metres, 0
            invalid), or several by key in a dict. Noise, hiding and swapping use none.
        attack: a registered name, its fields given as `params` (steps=10), or a Perturbation.
        epsilon: the perturbation budget in units of 1/255; None for an attack that needs none.
        norm: `linf`, `rms` (equal signal-to-noise ratio) or `none`; by default the attack's first that fits.
        task: the task whose loss is ascended.
        objective: another objective than the task's own loss, such as `hide:person@semantic`.
        classes: the classes of a plain module's logits; needed where an objective names one.
        seed: of everything random.
        params: fields of the attack.

    Raises:
        UsageError: for names, budgets or objectives that do not fit.
    """
    perturbation = make_attack(attack, params) if isinstance(attack, str) else attack
    size = math.inf if epsilon is None else float(epsilon)
    context = AttackContext(images, [f"image-{i}" for i in range(len(images))], seed=seed)
    if not perturbation.default_objectives:
        return _attacked(context, perturbation(context, size, norm))
    made = loaded(model, (task,))
    tasks = load_tasks(made.tasks)
    target_model = TargetModel(made.module, tasks.values())
    clean = target_model.forward_pass(images)
    given = labels if isinstance(labels, Mapping) else {} if labels is None else {tasks[task].key: labels}
    reference = CleanReference(
        clean.outputs,
        given,
        tasks,
        _classes(made, classes, clean.outputs, tasks),
        made.median_scaling,
        context.generators,
    )
    loss = _loss(perturbation, objective or task, reference)
    context = AttackContext(
        images, context.ids, seed=seed, target_model=target_model, adversarial_loss=loss, clean=clean
    )
    perturbed = perturbation(context, size, norm)
    outputs = target_model.outputs(perturbed)
    return replace(
        _attacked(context, perturbed),
        clean_loss=loss.loss(clean.outputs),
        loss=loss.loss(outputs),
        outcome=loss.outcome(outputs) if loss.outcome else {},
    )


def _loss(perturbation: Perturbation, name: str, reference: CleanReference) -> AdversarialLoss:
    objectives = perturbation.objectives([name], reference.tasks)
    if len(objectives) != 1:
        listed = ", ".join(objective.name for objective in objectives) or "none"
        raise UsageError(f"objective '{name}' of a model with {', '.join(reference.tasks)} is {listed}; name one")
    return perturbation.adversarial_loss(objectives[0], reference)


def _attacked(context: AttackContext, perturbed: Tensor) -> Attacked:
    size = strength(context.images, perturbed)
    return Attacked(perturbed, size.rms, size.linf, size.snr_db, context.attackable)


def _classes(model: LoadedModel, given: ClassSet | None, outputs: Outputs, tasks: Mapping[str, Task]) -> ClassSet:
    """The model's classes; of a plain module those given, else unnamed ones, as many as it has logits."""
    if given is not None or model.origin != PLAIN:
        return given or model.classes
    logits = [task.class_logits.of(outputs) for task in tasks.values() if task.class_logits is not None]
    count = max((values.shape[1] for values in logits), default=0)
    return ClassSet("unnamed", tuple(f"class {i}" for i in range(count)), ((0, 0, 0),) * count)
