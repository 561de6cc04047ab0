"""Protocols: which attacks with which perturbation budgets, and how tasks are measured; TOML in `attacks/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from robustbench_seg._shipped import shipped
from robustbench_seg.registry import Entry, Registry, summary_of
from robustbench_seg.results.keys import attack_label
from robustbench_seg.strict import Range, from_table, read_toml

Epsilon = Annotated[float, Range(0, 255)]
"""In units of 1/255."""
DEFAULT_EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""The grid of Klingner 2020."""


@dataclass(frozen=True)
class AttackPlan:
    """One attack of a protocol.

    `epsilons` empty: the attack runs unbounded; `norm` None is the attack's first norm; `objectives` None are its
    default ones; `params` are fields of the attack; `variant` distinguishes it from the same attack with others.
    """

    name: str
    epsilons: tuple[Epsilon, ...] = ()
    norm: str | None = None
    objectives: tuple[str, ...] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def label(self) -> str:
        """How tables name it: `pgd`, or `pgd[40 steps]` with a variant."""
        return attack_label(self.name, self.variant)


@dataclass(frozen=True)
class Protocol:
    """A named list of attacks, with one line about it and where it comes from.

    `tasks` are the parameters of tasks, which say how they are measured, by name or kind.
    """

    name: str
    attacks: tuple[AttackPlan, ...]
    summary: str = ""
    source: str = ""
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """The tables of a protocol file."""

    name: str = ""
    summary: str = ""
    source: str = ""
    attack: tuple[AttackPlan, ...] = ()
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.attack:
            raise ValueError("no [[attack]] table; write one per attack")
        if any("[" in plan.variant or "]" in plan.variant for plan in self.attack):
            raise ValueError('a variant must have no brackets; write it as in variant = "40 steps"')


def read_protocol(path: Path) -> Protocol:
    """Read a protocol file; InputError (one line: file, key, fix) where it is not one."""
    file = from_table(_File, read_toml(path), str(path))
    return Protocol(file.name or path.stem, file.attack, file.summary, file.source, file.tasks)


def _shipped_protocols() -> Iterator[Entry]:
    for file in sorted(shipped("attacks").glob("*.toml")):
        yield Entry(file.stem, "shipped", summary_of(file), partial(read_protocol, file))


PROTOCOLS: Registry[Protocol] = Registry("protocol", "protocols", _shipped_protocols)
