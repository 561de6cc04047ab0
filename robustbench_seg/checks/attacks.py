"""The attacks of a run as checks see them: white boxes, black boxes and noise on a task's own metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.checks.base import Evidence
from robustbench_seg.errors import UsageError
from robustbench_seg.results.keys import FLOAT, WORST, AttackConfiguration
from robustbench_seg.results.rows import Row


class Kind(Enum):
    """What an attack knows of the model."""

    NOISE = "noise"
    BLACK_BOX = "black box"
    WHITE_BOX = "white box"
    WORST_CASE = "worst case"


@dataclass(frozen=True, eq=False)
class Curve:
    """Q of a task under a configuration that attacks it, or under noise: the rows of its metric by growing epsilon."""

    evidence: Evidence
    task: str
    configuration: AttackConfiguration
    kind: Kind
    rows: Sequence[Row]

    @property
    def place(self) -> tuple[str, str]:
        """The task and the norm: what attacks are compared in."""
        return self.task, self.configuration.norm


def attack_of(configuration: AttackConfiguration) -> Perturbation | None:
    """The attack of a configuration; None where it is not known here (a plugin that is missing, another version)."""
    try:
        return make_attack(configuration.attack, configuration.params)
    except UsageError:
        return None


def kind_of(configuration: AttackConfiguration) -> Kind | None:
    """What kind of attack a configuration is; None where it is not known here."""
    if configuration.attack == WORST:
        return Kind.WORST_CASE
    attack = attack_of(configuration)
    if attack is None:
        return None
    if not configuration.objective:
        return Kind.NOISE
    sizes = [math.inf if epsilon is None else epsilon for epsilon in configuration.epsilons]
    return Kind.WHITE_BOX if attack.num_gradients(sizes) else Kind.BLACK_BOX


def curves(evidence: Evidence) -> Iterator[Curve]:
    """The curve of every configuration on every task that it attacks, without rows that have no Q or no epsilon."""
    for configuration in evidence.pair.pair.configurations:
        kind = kind_of(configuration)
        for name, task in evidence.pair.tasks.items():
            if kind is None or configuration.objective not in ("", name):
                continue
            series = (configuration.label, configuration.objective, configuration.norm, FLOAT)
            rows = [
                row
                for row in evidence.rows
                if (row.series, row.task, row.metric) == (series, name, task.curve)
                and row.epsilon
                and row.ratio is not None
                and not row.failed
            ]
            if rows:
                yield Curve(evidence, name, configuration, kind, sorted(rows, key=lambda row: row.epsilon or 0.0))
