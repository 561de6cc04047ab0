"""How attacks, norms, tasks and metrics are called in figures and on pages."""

from __future__ import annotations

from collections.abc import Iterable

from robustbench_seg.attacks.objectives.parse import describe
from robustbench_seg.attacks.registry import attack_title, title_with_epsilon
from robustbench_seg.results.keys import CLEAN, attack_name, attack_variant
from robustbench_seg.results.rows import Row, aim

ATTACKS = {
    "gaussian": "Gaussian noise",
    "salt_and_pepper": "Salt-and-pepper noise",
    "fgsm": "FGSM",
    "pgd": "PGD",
    "dag": "DAG",
    "hide": "Hiding",
}
NORMS = {"linf": "L∞", "rms": "RMS", "none": "unbounded"}
TASKS = {
    "semantic": "semantic segmentation",
    "detection": "object detection",
    "instance": "instance segmentation",
    "instance_depth": "instance depth",
    "normals": "surface normals",
    "edges": "edge detection",
}
GROUPS = {
    "semantic": "semantic",
    "detection": "semantic",
    "instance": "semantic",
    "depth": "geometric",
    "normals": "geometric",
    "instance_depth": "geometric",
}
"""Which side of UniNet 2021's split a task stands on, known without loading the task."""
METRICS = {
    "miou": ("mIoU", ""),
    "pixel_accuracy": ("pixel accuracy", ""),
    "rmse": ("RMSE", "m"),
    "abs_rel": ("AbsRel", ""),
    "sq_rel": ("SqRel", "m"),
    "rmse_log": ("RMSE log", ""),
    "delta1": ("δ < 1.25", ""),
    "delta2": ("δ < 1.25²", ""),
    "delta3": ("δ < 1.25³", ""),
    "ap": ("AP", ""),
    "ap50": ("AP50", ""),
    "l1": ("L1 error", "m"),
    "cls_loss": ("classification loss", ""),
    "reg_loss": ("regression loss", ""),
    "aspect_ratio": ("width / height", ""),
    "angular_error": ("mean angular error", "°"),
    "within_11": ("within 11.25°", ""),
    "within_22": ("within 22.5°", ""),
    "within_30": ("within 30°", ""),
    "f1": ("edge F1", ""),
    "precision": ("edge precision", ""),
    "recall": ("edge recall", ""),
}
CLASS_METRICS = {"miou": "IoU"}
"""What a metric is called when it is of one class."""

CURVES = {"semantic": "miou", "depth": "rmse", "detection": "ap", "instance": "ap", "instance_depth": "l1"} | {
    "normals": "angular_error",
    "edges": "f1",
}
"""The metric Q is drawn of, by task; a task that is not here has its first metric drawn."""


def task_name(task: str) -> str:
    """What a task is called in a sentence."""
    return TASKS.get(task, task)


def metric_name(metric: str) -> str:
    """What a metric is called, without its unit."""
    return METRICS.get(metric, (metric, ""))[0]


def metric_text(metric: str, value: float) -> str:
    """A value with three decimals and its unit."""
    return f"{value:.3f} {METRICS.get(metric, ('', ''))[1]}".rstrip()


def class_metric_name(metric: str) -> str:
    """What a metric is called when it is of one class."""
    return CLASS_METRICS.get(metric, metric_name(metric))


def epsilon_text(epsilon: float | None) -> str:
    """A radius without needless zeros; `no ε` for an unbounded attack."""
    return "no ε" if epsilon is None else f"{epsilon:g}"


def strength(epsilon: float | None) -> str:
    """A radius as it stands in a sentence."""
    return "without an ε" if epsilon is None else f"at ε = {epsilon:g}"


def perturbation_name(attack: str, objective: str) -> str:
    """An attack with what its objective adds to the task's name: `Hiding person`, `DAG person ↔ car`."""
    name, variant = attack_name(attack), attack_variant(attack)
    phrase = describe(objective).phrase if objective else ""
    title = " ".join(filter(None, (attack_title(name), phrase)))
    return f"{title}, {variant.replace('=', ' = ')}" if variant else title


def labels(rows: Iterable[Row]) -> dict[tuple[str, str, str], str]:
    """A distinct name for every series of one task: what it attacks where that is not the task, norms where unclear."""
    series = {row.series: row for row in rows if row.attack != CLEAN}
    names = {
        key: (perturbation_name if row.is_own else full_name)(row.attack, row.objective) + _scaled(row)
        for key, row in series.items()
    }
    plain = list(names.values())
    return {
        key: name if plain.count(name) == 1 else f"{name}, {NORMS.get(key[2], key[2])}" for key, name in names.items()
    }


def _scaled(row: Row) -> str:
    # An attack that stops by itself; at an epsilon it is its direction that is evaluated, and the reader must know.
    note = title_with_epsilon(attack_name(row.attack)) if row.epsilon is not None else ""
    return f" ({note})" if note else ""


def full_name(attack: str, objective: str) -> str:
    """A perturbation with the task it attacks: `PGD on depth`, `Hiding person on semantic`."""
    target = aim(objective)
    name = perturbation_name(attack, objective)
    return f"{name} on {target.replace('_', ' ')}" if target and ":" not in target else name
