"""What identifies the cells of a run: attack configurations, and the key of one cell."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CLEAN = "clean"
"""The attack of the cells without a perturbation."""

WORST = "worst"
"""The attack of the cells that are chosen from those of other attacks."""

FLOAT, ROUNDED = "float", "8 bit"
"""How images are scored: as the floating-point numbers that the attack returned, or rounded as a PNG stores them."""


_SEVERITY = re.compile(r"severity=([1-9]\d*)")


@dataclass(frozen=True)
class AttackConfiguration:
    """One attack with one objective on one pair of model and data set, over its grid of epsilons.

    `attack` is the name in the registry; `variant` distinguishes two configurations that differ in `params` alone.
    `epsilons` (units of 1/255) holds None alone where the attack runs unbounded. The clean images are a configuration
    too, with the single epsilon 0. `scored` are the ways in which its images are scored, from one run of the attack.
    """

    attack: str
    objective: str
    norm: str
    epsilons: tuple[float | None, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    scored: tuple[str, ...] = (FLOAT,)

    @property
    def cells(self) -> list[tuple[float | None, str]]:
        """Epsilon and way of scoring of every cell, in the order of the store: the grid of one way after another."""
        return [(epsilon, scored) for scored in self.scored for epsilon in self.epsilons]

    @property
    def label(self) -> str:
        """The attack as tables name it: `pgd`, or `pgd[40 steps]` with a variant."""
        return attack_label(self.attack, self.variant)

    @property
    def digest(self) -> str:
        """Eight hex digits of the parameters given; empty where all are the attack's defaults."""
        if not self.params:
            return ""
        text = json.dumps(dict(self.params), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def key(self, model: str, dataset: str, epsilon: float | None, scored: str = FLOAT) -> CellKey:
        """The cell of this configuration at an epsilon of its grid."""
        names = (model, dataset, self.label, self.objective, self.norm, epsilon)
        return CellKey(*names, scored=scored, digest=self.digest)


@dataclass(frozen=True)
class CellKey:
    """The identity of a cell: what was measured on which images under which perturbation.

    `attack` is the label of an attack configuration, `epsilon` in units of 1/255 (None: unbounded). `source` is the
    model the images were made on, empty where it is the scored model itself. `digest` is that of the configuration's
    parameters, empty where unknown; it is not compared, because within a run the label already distinguishes
    configurations. Across runs a pairing asks for it (see `results.measurements`).
    """

    model: str
    dataset: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    source: str = ""
    scored: str = FLOAT
    digest: str = field(default="", compare=False)

    @property
    def is_clean(self) -> bool:
        """Whether this is the cell of the images without a perturbation."""
        return self.attack == CLEAN


def attack_label(name: str, variant: str) -> str:
    """The label of an attack in the registry and a variant of it, which may be empty."""
    return f"{name}[{variant}]" if variant else name


def attack_name(label: str) -> str:
    """The name in the registry of an attack's label: `pgd` of `pgd[40 steps]`."""
    return label.partition("[")[0]


def attack_variant(label: str) -> str:
    """The variant in an attack's label, empty where it has none: `40 steps` of `pgd[40 steps]`."""
    return label.partition("[")[2].removesuffix("]")


def severity_of(label: str) -> int | None:
    """The severity of a corruption in its label, as in `fog[severity=3]`; None of other attacks and of severity 0."""
    found = _SEVERITY.fullmatch(attack_variant(label))
    return int(found[1]) if found else None
