"""Protocols: which attacks with which perturbation budgets, read from TOML; see the `attacks/` folder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from robustbench_seg._shipped import shipped
from robustbench_seg.errors import InputError
from robustbench_seg.registry import Entry, Registry, one_line, summary_of, unknown
from robustbench_seg.results.keys import attack_label

DEFAULT_EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""The grid of Klingner 2020, in units of 1/255."""


@dataclass(frozen=True)
class AttackPlan:
    """One attack of a protocol.

    `epsilons` in units of 1/255 (empty: the attack runs unbounded); `norm` None is the attack's own first norm;
    `objectives` None are the attack's default ones; `params` are fields of the attack; `variant` tells it from the same
    attack with other parameters.
    """

    name: str
    epsilons: tuple[float, ...] = ()
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
    """A named list of attacks, with one line about it and where it comes from."""

    name: str
    attacks: tuple[AttackPlan, ...]
    summary: str = ""
    source: str = ""


def read_protocol(path: Path) -> Protocol:
    """Read a protocol file; InputError (one line: file, key, fix) where it is not one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"protocol '{path}' cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"protocol '{path}' is not TOML: {one_line(error)}") from error
    _known_keys(f"protocol '{path}'", table, ("name", "summary", "source", "attack"))
    plans = table.get("attack")
    if not isinstance(plans, list) or not plans or not all(isinstance(plan, dict) for plan in plans):
        raise InputError(f"protocol '{path}' has no [[attack]] table; write one per attack")
    attacks = tuple(_read_plan(f"protocol '{path}', [[attack]] {i + 1}", plan) for i, plan in enumerate(plans))
    texts = {key: _text(f"protocol '{path}'", table, key) for key in ("summary", "source")}
    return Protocol(_text(f"protocol '{path}'", table, "name") or path.stem, attacks, **texts)


def _read_plan(where: str, table: Mapping[str, Any]) -> AttackPlan:
    _known_keys(where, table, ("name", "variant", "norm", "epsilons", "objectives", "params"))
    name = _text(where, table, "name")
    if not name:
        raise InputError(f'{where} has no name; write name = "pgd"')
    epsilons = table.get("epsilons", [])
    if not isinstance(epsilons, list):
        raise InputError(f"{where}: epsilons = {epsilons!r} must be a list of numbers")
    objectives = table.get("objectives")
    if objectives is not None and not (isinstance(objectives, list) and all(isinstance(o, str) for o in objectives)):
        raise InputError(f"{where}: objectives = {objectives!r} must be a list of names")
    params = table.get("params", {})
    if not isinstance(params, dict):
        raise InputError(f"{where}: params must be a table, as in params = {{ steps = 10 }}")
    return AttackPlan(
        name,
        tuple(check_epsilon(epsilon, where) for epsilon in epsilons),
        _text(where, table, "norm") or None,
        None if objectives is None else tuple(objectives),
        params,
        _variant(where, table),
    )


def _variant(where: str, table: Mapping[str, Any]) -> str:
    variant = _text(where, table, "variant")
    if "[" in variant or "]" in variant:
        raise InputError(f'{where}: variant = {variant!r} must have no brackets; write it as in variant = "40 steps"')
    return variant


def check_epsilon(value: object, where: str) -> float:
    """An epsilon in units of 1/255; InputError where it is not a number from 0 to 255."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 255:
        raise InputError(f"{where}: epsilon {value!r} must be a number from 0 to 255 (in units of 1/255)")
    return float(value)


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise InputError(f"{where}: {key} = {value!r} must be a string")
    return value


def _known_keys(where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{where}: {unknown('key', key, known)}")


def _shipped_protocols() -> Iterator[Entry]:
    for file in sorted(shipped("attacks").glob("*.toml")):
        yield Entry(file.stem, "shipped", summary_of(file), partial(read_protocol, file))


PROTOCOLS: Registry[Protocol] = Registry("protocol", "protocols", _shipped_protocols)
