"""A made-up run of models with five tasks: attacks on every loss and group, in two norms, hiding and swapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from robustbench_seg.results.run import Panel
from tests.report.fake_run import CLASSES, COSTS, NAN, SUMMARY, FakeRun, _png, _scene, info

SEMANTIC = ("semantic", "detection", "instance")
GEOMETRIC = ("depth", "instance_depth")
TASKS = (*SEMANTIC, *GEOMETRIC)
METRICS = {
    "semantic": "miou",
    "detection": "ap",
    "instance": "ap",
    "depth": "rmse",
    "instance_depth": "l1",
}
CLEAN = {"semantic": 0.638, "detection": 0.352, "instance": 0.214, "depth": 4.21, "instance_depth": 6.3, "gaze": 0.9}
LOWER = ("rmse", "l1", "abs_rel", "cls_loss", "reg_loss")
RAW = {
    "loss:cls": "detection",
    "loss:reg": "detection",
    "loss:centerness": "detection",
    "loss:seg": "semantic",
    "loss:mask": "instance",
    "loss:depth": "depth",
    "loss:instance_depth": "instance_depth",
}
GROUPS = ("group:all", "group:semantic", "group:geometric")
GRID = (0.5, 1.0, 2.0, 4.0)
HALF = 0.02
"""Half the width of every interval of Q."""


@dataclass(frozen=True)
class Model:
    """`lost` maps (attacked, measured) to the share lost at ε = 1."""

    name: str
    tasks: tuple[str, ...] = TASKS
    lost: dict[tuple[str, str], float] = field(default_factory=dict)

    def share(self, attacked: str, measured: str) -> float:
        return self.lost.get((attacked, measured), _usual(attacked, measured))


def _usual(attacked: str, measured: str) -> float:
    """Own .6; inside a group .3; semantic to geometric .2; geometric to semantic .1; a nudge tells cells apart."""
    nudge = 0.004 * TASKS.index(measured) if measured in TASKS else 0.0
    if attacked == measured:
        return 0.6 + nudge
    sides = [("semantic" if task in SEMANTIC else "geometric") for task in (attacked, measured)]
    base = {("semantic", "geometric"): 0.2, ("geometric", "semantic"): 0.1}.get((sides[0], sides[1]), 0.3)
    return base + nudge + 0.006 * (TASKS.index(attacked) if attacked in TASKS else 0)


MODELS = (Model("uninet"), Model("mtinet", lost={("detection", "depth"): 0.34, ("depth", "semantic"): 0.28}))


def five_tasks(
    folder: Path,
    models: Sequence[Model] = MODELS,
    norms: Sequence[str] = ("linf", "rms"),
    grid: Sequence[float] = GRID,
    with_panels: bool = True,
) -> FakeRun:
    rows: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    for model in models:
        rows += [_row(model, ("clean", "", "", 0.0), task, 1.0) for task in model.tasks]
        rows += [_row(model, ("gaussian", "", "rms", e), task, 0.9) for task in model.tasks for e in grid]
        for norm in norms:
            for epsilon in grid:
                for objective in _objectives(model):
                    rows += _attacked(model, ("pgd", objective, norm, epsilon))
        rows += [row for e in grid for task in model.tasks for row in _attacked(model, ("fgsm", task, "linf", e))]
        hidden, of_class = _hidden(model, grid)
        swapped, swapped_classes = _swapped(model)
        rows += hidden + swapped
        classes += of_class + swapped_classes
    summary = pd.DataFrame(rows, columns=SUMMARY)
    made = {**info(()), "notes": [], "models": [{"name": model.name, "tasks": list(model.tasks)} for model in models]}
    panels = _panels(models) if with_panels else []
    table = pd.DataFrame(classes, columns=CLASSES)
    return FakeRun(folder, summary, table, pd.DataFrame([], columns=COSTS), made, panels)


def _objectives(model: Model) -> list[str]:
    raw = [name for name, task in RAW.items() if task in model.tasks]
    return [*model.tasks, *raw, *(GROUPS if len(model.tasks) > 2 else ())]


def _attacked(model: Model, cell: tuple[str, str, str, float]) -> list[dict[str, Any]]:
    attack, objective, norm, epsilon = cell
    rows = []
    for task in model.tasks:
        at_one = max(_shares(model, objective, task))
        lost = 1 - (1 - at_one) ** (epsilon * {"linf": 1.0, "rms": 0.8}[norm] * {"pgd": 1.0, "fgsm": 0.7}[attack])
        rows.append(_row(model, cell, task, 1 - lost))
    return rows


def _shares(model: Model, objective: str, task: str) -> list[float]:
    sources = {
        "group:all": model.tasks,
        "group:semantic": SEMANTIC,
        "group:geometric": GEOMETRIC,
    }.get(objective, (RAW.get(objective, objective),))
    weaker = 0.85 if ":" in objective else 1.0
    return [weaker * model.share(source, task) for source in sources if source in model.tasks]


def _row(
    model: Model,
    cell: tuple[str, str, str, float],
    task: str,
    q: float,
    metric: str = "",
    clean: float | None = None,
) -> dict[str, Any]:
    attack, objective, norm, epsilon = cell
    name = metric or METRICS.get(task, "score")
    start = CLEAN[task] if clean is None else clean
    is_clean = attack == "clean"
    lower = name in LOWER
    return {
        "model": model.name,
        "dataset": "street",
        "attack": attack,
        "objective": objective,
        "norm": norm,
        "epsilon": epsilon,
        "task": task,
        "metric": name,
        "direction": "lower" if lower else "higher",
        "value": start / q if lower else start * q,
        "clean": start,
        "ratio": q,
        "ratio_low": q - HALF * (not is_clean),
        "ratio_high": q + HALF * (not is_clean),
        "snr_db": NAN if is_clean else 41.2,
        "rms": 0.0 if is_clean else 0.9,
        "linf": 0.0 if is_clean else 1.0,
        "n_images": 200,
        "n_unchanged": 0,
        "status": "ok",
    }


HIDDEN = {
    "semantic": {"detection": 0.25, "instance": 0.17, "semantic": 0.13, "depth": 0.55, "instance_depth": 0.54},
    "depth": {"detection": 0.39, "instance": 0.33, "semantic": 0.63, "depth": 0.14, "instance_depth": 0.15},
}
"""Q of persons at ε = 2, by the task they are hidden from."""
PERSON = {
    "detection": ("ap", 0.3523),
    "instance": ("ap", 0.1646),
    "semantic": ("miou", 0.7771),
    "depth": ("rmse", 5.02),
    "instance_depth": ("abs_rel", 0.16),
}


def _hidden(model: Model, grid: Sequence[float]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows, classes = [], []
    for target in [task for task in HIDDEN if task in model.tasks]:
        for epsilon in grid:
            cell = ("hide", f"hide:person@{target}", "linf", epsilon)
            for task in [task for task in model.tasks if task in PERSON]:
                q = HIDDEN[target][task] ** (epsilon / 2)
                metric, clean = PERSON[task]
                rows.append(_row(model, cell, task, q**0.2))
                classes.append(_row(model, cell, task, q, metric, clean) | {"class": "person"})
                classes.append(_row(model, cell, task, q**0.1, metric, clean) | {"class": "car"})
            rows += _outcome(model, cell, target, (0.9996, 0.41))
    return rows, classes


SHAPES = {"person": (0.44, 0.62), "car": (1.83, 1.31)}
"""Mean width / height of boxes labelled so, before and after."""


def _swapped(model: Model) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows, classes = [], []
    for target in [task for task in ("semantic", "detection") if task in model.tasks]:
        cell = ("dag", f"swap:person,car@{target}", "none", NAN)
        rows += [_row(model, cell, task, 0.4 if task == target else 0.8) for task in model.tasks]
        rows += _outcome(model, cell, target, (0.97, 0.81))
        for label in SHAPES:
            found = {"semantic": {"miou": (0.5, 0.1)}, "detection": {"ap": (0.4, 0.2), "cls_loss": (0.3, 0.2)}}[target]
            if target == "detection":
                found |= {"reg_loss": (0.4, 0.5)}
                before, after = SHAPES[label]
                shape = {"direction": "", "value": after, "class": label} | dict.fromkeys(_NONE, NAN)
                classes.append(_row(model, cell, target, 1.0, "aspect_ratio", before) | shape | {"clean": before})
            for metric, (clean, q) in found.items():
                classes.append(_row(model, cell, target, q, metric, clean) | {"class": label})
    return rows, classes


def _outcome(
    model: Model, cell: tuple[str, str, str, float], target: str, shares: tuple[float, float]
) -> list[dict[str, Any]]:
    return [
        _row(model, cell, target, 1.0) | {"metric": metric, "direction": "", "value": share} | dict.fromkeys(_NONE, NAN)
        for metric, share in zip(("targets_changed", "targets_reached"), shares, strict=True)
    ]


_NONE = ("clean", "ratio", "ratio_low", "ratio_high")


def _panels(models: Sequence[Model]) -> list[Panel]:
    image, label, depth = _scene()
    deep = np.stack([depth, depth // 2, 128 - depth // 3], -1).astype(np.uint8)
    maps = {"semantic": label, "depth": deep, "instances": (image // 2 + label // 2).astype(np.uint8)}
    found = []
    for model in models:
        clean = {"image": _png(image), "label:semantic": _png(label), "label:depth": _png(deep)}
        clean |= {f"prediction:{key}": _png(value) for key, value in maps.items()}
        found.append(Panel(model.name, "street", "street-val-0003", "", "", "", 0.0, clean))
        found.append(Panel(model.name, "street", "street-val-0009", "", "", "", 0.0, clean))
        for attack, objective, epsilon in (
            ("hide", "hide:person@semantic", 2.0),
            ("hide", "hide:person@depth", 2.0),
            ("dag", "swap:person,car@detection", None),
            ("pgd", "group:semantic", 1.0),
            ("pgd", "semantic", 1.0),
        ):
            pngs = {"perturbed": _png(image), "perturbation": _png(255 - image)}
            pngs |= {f"prediction:{key}": _png(np.roll(value, 9, 1)) for key, value in maps.items()}
            norm = "linf" if epsilon else "none"
            found.append(Panel(model.name, "street", "street-val-0003", attack, objective, norm, epsilon, pngs))
    return found
