"""`robustbench_seg.attack`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from robustbench_seg.api.inputs import checked_images, checked_labels
from robustbench_seg.api.models import PLAIN, loaded
from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import strength
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.objectives.parse import describe, kind_of
from robustbench_seg.attacks.objectives.registry import TASK_LOSS
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel, in_own_classes
from robustbench_seg.tasks.base import Outputs, Task


@dataclass(frozen=True, eq=False)
class Attacked:
    """What an attack made of a batch of N images.

    `images` (N,3,H,W) are the perturbed ones. `rms` and `linf` (N,) are in units of 1/255, `snr_db` (N,) in dB
    (infinite where nothing moved). `clean_loss` and `loss` (N,) are what the attack ascends, before and after it;
    `attackable` (N,) says which images had a target. `outcome` counts per image what became of the targets of an attack
    that has some (DAG, a swap, hiding): `targets`, `targets_changed` (are no longer what they were) and
    `targets_reached` (are what the attack wanted); it is empty for others.
    Noise ascends nothing: no losses, all images attackable.
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
    images: Tensor | NDArray[Any],
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
        images: (N,3,H,W) float RGB in [0,1], on the model's device.
        labels: of the task, tensors or arrays as its loss takes them (semantic: (N,H,W) integers, void 255; depth:
            (N,H,W) metres, 0 invalid), or several by key in a dict. Noise, hiding and swapping use none.
        attack: a registered name, its fields given as `params` (steps=10), or a Perturbation.
        epsilon: the perturbation budget in units of 1/255; None for an attack that needs none.
        norm: `linf`, `rms` (equal signal-to-noise ratio) or `none`; by default the attack's first that fits.
        task: the task that is attacked.
        objective: another objective than the attack's default one, such as `hide:person@semantic`. The default is the
            task's own loss, or what the attack is for: `hide` hides persons.
        classes: the classes of a plain module's logits; needed where an objective names one.
        seed: of everything random.
        params: fields of the attack.

    Raises:
        UsageError: for names, budgets, objectives, images or labels that do not fit.
    """
    perturbation = _perturbation(attack, params)
    size = _size(perturbation, epsilon, norm)
    images = checked_images(images)
    context = AttackContext(images, [f"image-{i}" for i in range(len(images))], seed=seed)
    if not perturbation.default_objectives:
        return _attacked(context, perturbation(context, size, norm))
    made = loaded(model, (task,))
    if task not in made.tasks:
        raise UsageError(f"model '{made.name}' has no task '{task}'; give task= one of {', '.join(made.tasks)}")
    tasks = in_own_classes(made)
    target_model = TargetModel(made.module, tasks.values())
    clean = target_model.forward_pass(images)
    given = labels if isinstance(labels, Mapping) else {} if labels is None else {tasks[task].key: labels}
    reference = CleanReference(
        clean.outputs,
        checked_labels(given, tasks.values(), images, clean.outputs),
        tasks,
        _classes(made, classes, clean.outputs, tasks),
        made.depth_align,
        context.generators,
    )
    names = [objective] if objective else [_narrowed(name, task) for name in perturbation.default_objectives]
    loss = _loss(perturbation, names, reference)
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


def _perturbation(attack: object, params: Mapping[str, Any]) -> Perturbation:
    if isinstance(attack, str):
        return make_attack(attack, params)
    if not isinstance(attack, Perturbation):
        raise UsageError(f"attack {attack!r} is neither a name nor a Perturbation")
    if params:
        raise UsageError(f"attack {attack!r} has its fields already; give {', '.join(params)} to it instead")
    return attack


def _size(perturbation: Perturbation, epsilon: float | None, norm: str | None) -> float:
    """The budget as a number, infinite where there is none; UsageError where the norm needs one."""
    if epsilon is not None:
        return float(epsilon)
    norm = norm or perturbation.default_norm(bounded=False)
    if norm != "none":
        raise UsageError(f"{type(perturbation).__name__} in norm '{norm}' needs epsilon=, in units of 1/255")
    return math.inf


def _narrowed(name: str, task: str) -> str:
    """A default objective as one of `task`: its own loss, or the same change of classes there."""
    if kind_of(name) == TASK_LOSS:
        return task
    return f"{name}@{task}" if describe(name).classes and "@" not in name else name


def _loss(perturbation: Perturbation, names: Sequence[str], reference: CleanReference) -> AdversarialLoss:
    objectives = perturbation.objectives(names, reference.tasks)
    asked = " + ".join(names)
    if len(objectives) != 1:
        listed = ", ".join(objective.name for objective in objectives) or "none"
        raise UsageError(f"objective '{asked}' of a model with {', '.join(reference.tasks)} is {listed}; name one")
    (objective,) = objectives
    if lacking := [need for need in objective.needs if need not in reference.tasks]:
        raise UsageError(f"objective '{asked}' needs a model that predicts {', '.join(lacking)} too")
    classes = reference.tasks[objective.needs[0]].class_set(reference.classes)
    if missing := objective.missing_classes(classes):
        raise UsageError(
            f"objective '{asked}': the model has no class {', '.join(missing)}; "
            f"give classes=, or objective= with one of {', '.join(classes.names)}"
        )
    return perturbation.adversarial_loss(objective, reference)


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
