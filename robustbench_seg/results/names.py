"""How attacks, norms, tasks and metrics are called in figures and on pages: all as they declare it themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.objectives.parse import describe
from robustbench_seg.attacks.registry import attack_title as plain_title
from robustbench_seg.attacks.registry import title_with_epsilon
from robustbench_seg.results.files import epsilon_field
from robustbench_seg.results.keys import CLEAN, FLOAT, attack_name, attack_variant
from robustbench_seg.results.rows import Row, Series, aim
from robustbench_seg.tasks.base import Metric
from robustbench_seg.tasks.names import label_of
from robustbench_seg.tasks.registry import is_task, load_task


def task_name(task: str) -> str:
    """What a task is called in a sentence."""
    return load_task(task).title if is_task(task) else task.replace("_", " ")


def short_task_name(task: str) -> str:
    """A task's name as a word: its own among those of its kind, else the kind's."""
    return (label_of(task) or task).replace("_", " ")


def metric_of(task: str, metric: str) -> Metric:
    """What a task declares of a metric; the name alone where it is unknown (a plugin that is missing)."""
    known = load_task(task).every_metric if is_task(task) else ()
    return next((each for each in known if each.name == metric), Metric(metric, metric, None, "", ""))


def metric_name(task: str, metric: str) -> str:
    """What a metric of a task is called, without its unit."""
    return metric_of(task, metric).title


def metric_text(task: str, metric: str, value: float) -> str:
    """A value with three decimals and its unit."""
    return f"{value:.3f} {metric_of(task, metric).unit}".rstrip()


def share_text(share: float) -> str:
    """A share in per cent that reads as 0 or 100 only where it is none or all: `41.2 %`, `99.96 %`."""
    decimals = 1 if 0.001 <= share <= 0.999 or share in (0, 1) else 2
    return f"{100 * share:.{decimals}f} %"


def class_metric_name(task: str, metric: str) -> str:
    """What a metric of a task is called when it is of one class."""
    return metric_of(task, metric).class_title


def curve_metric(task: str) -> str:
    """The metric Q is drawn of; empty where the task is unknown."""
    return load_task(task).curve if is_task(task) else ""


def images_text(counts: Collection[int]) -> str:
    """How many images numbers are over: `n = 200 images`, `n = 12 to 200 images`."""
    least, most = min(counts, default=0), max(counts, default=0)
    return f"n = {most} images" if least == most else f"n = {least} to {most} images"


def norm_name(norm: str) -> str:
    """What a norm is called: `L∞`."""
    return BUDGETS[norm].title if norm in BUDGETS else norm


def epsilon_text(epsilon: float | None) -> str:
    """The shortest text that reads back as this epsilon; `no ε` for an unbounded attack."""
    return epsilon_field(epsilon) or "no ε"


def strength(epsilon: float | None) -> str:
    """An epsilon as it stands in a sentence."""
    return "without an ε" if epsilon is None else f"at ε = {epsilon_field(epsilon)}"


def attack_title(label: str, norm: str = "") -> str:
    """What an attack is called: `PGD`; `DAG (direction)` where it is run in a norm, and the reader must know."""
    name = attack_name(label)
    note = title_with_epsilon(name) if norm not in ("", "none") else ""
    return f"{plain_title(name)} ({note})" if note else plain_title(name)


def perturbation_name(attack: str, objective: str, norm: str = "") -> str:
    """An attack with what its objective adds to the task's name, and its variant: `Hiding person`, `PGD, 40 steps`."""
    phrase = describe(objective).phrase if objective else ""
    title = " ".join(filter(None, (attack_title(attack, norm), phrase)))
    variant = attack_variant(attack)
    return f"{title}, {variant.replace('=', ' = ')}" if variant else title


def full_name(attack: str, objective: str, norm: str = "") -> str:
    """A perturbation with the task it attacks: `PGD on depth`, `Hiding person on semantic`."""
    target = aim(objective)
    name = perturbation_name(attack, objective, norm)
    return f"{name} on {short_task_name(target)}" if target and ":" not in target else name


def as_scored(name: str, scored: str) -> str:
    """The name of a perturbation with how its images are scored, where they are not as the attack made them."""
    return name if scored == FLOAT else f"{name}, {scored}"


def labels(rows: Iterable[Row], *, in_full: bool = False) -> dict[Series, str]:
    """A distinct name for every series of one task: what it attacks where that is not the task, norms where unclear.

    `in_full` says what each attacks, for rows of several tasks.
    """
    names = {
        row.series: (perturbation_name if row.is_own and not in_full else full_name)(
            row.attack, row.objective, row.norm
        )
        for row in rows
        if row.attack != CLEAN
    }
    plain = [(name, key[3]) for key, name in names.items()]
    return {
        key: as_scored(name if plain.count((name, key[3])) == 1 else f"{name}, {norm_name(key[2])}", key[3])
        for key, name in names.items()
    }
