"""Protocols: which attacks at which epsilons, read from TOML; see the `attacks/` folder."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from robustbench_seg._shipped import shipped
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import Entry, Registry, one_line, summary_of, unknown

DEFAULT_EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""The grid of Klingner 2020, in grey values."""


@dataclass(frozen=True)
class AttackPlan:
    """One attack of a protocol.

    `epsilons` in grey values (empty: the attack runs unbounded); `norm` None is the attack's own first norm;
    `objectives` None are the attack's default ones; `params` are fields of the attack; `variant` names this use of it
    where a protocol has several with other params (by default what differs, as in `steps=40`).
    """

    name: str
    epsilons: tuple[float, ...] = ()
    norm: str | None = None
    objectives: tuple[str, ...] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""


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
        raise InputError(f"protocol '{path}' has no [[attack]] table; write one an attack")
    attacks = tuple(_read_plan(f"protocol '{path}', [[attack]] {i + 1}", plan) for i, plan in enumerate(plans))
    texts = {key: _text(f"protocol '{path}'", table, key) for key in ("summary", "source")}
    return Protocol(_text(f"protocol '{path}'", table, "name") or path.stem, attacks, **texts)


def _read_plan(where: str, table: Mapping[str, Any]) -> AttackPlan:
    _known_keys(where, table, ("name", "norm", "epsilons", "objectives", "params", "variant"))
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
        _text(where, table, "variant"),
    )


def check_epsilon(value: object, where: str) -> float:
    """An epsilon in grey values; InputError where it is not a number in 0..255."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 255:
        raise InputError(f"{where}: epsilon {value!r} must be a number of grey values from 0 to 255")
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


def from_options(attacks: Sequence[str], epsilons: Sequence[tuple[float, ...]]) -> Protocol:
    """The protocol that `-a` and `-e` make: one list of epsilons for all, or one an attack.

    Without epsilons an attack that can do without runs unbounded, the others on the default grid.
    """
    if epsilons and len(epsilons) not in (1, len(attacks)):
        raise UsageError(f"{len(epsilons)} -e for {len(attacks)} -a; give one -e for all or one each")
    if len(epsilons) == len(attacks):
        grids = list(epsilons)
    else:
        grids = [epsilons[0] if epsilons else _default_grid(name) for name in attacks]
    return Protocol("custom", tuple(AttackPlan(name, grid) for name, grid in zip(attacks, grids, strict=True)))


def _default_grid(name: str) -> tuple[float, ...]:
    return () if "none" in ATTACKS.get(name).norms else DEFAULT_EPSILONS


def narrow(protocol: Protocol, attacks: Sequence[str], epsilons: Sequence[float]) -> Protocol:
    """The part of a protocol that `-a` and `-e` name; UsageError for a name or an epsilon that it lacks."""
    own = {plan.name for plan in protocol.attacks}
    for name in attacks:
        if name not in own:
            raise UsageError(f"protocol '{protocol.name}' has no attack '{name}'; it has {', '.join(sorted(own))}")
    kept = [plan for plan in protocol.attacks if not attacks or plan.name in attacks]
    for epsilon in epsilons:
        if not any(epsilon in plan.epsilons for plan in kept):
            have = sorted({e for plan in kept for e in plan.epsilons})
            listed = ", ".join(f"{e:g}" for e in have) or "none"
            raise UsageError(f"protocol '{protocol.name}' has no epsilon {epsilon:g}; it has {listed}")
    if epsilons:
        kept = [
            dataclasses.replace(plan, epsilons=tuple(e for e in plan.epsilons if e in epsilons))
            for plan in kept
            if any(e in plan.epsilons for e in epsilons)
        ]
    return dataclasses.replace(protocol, attacks=tuple(kept))


def override(protocol: Protocol, settings: Sequence[tuple[str, str, Any]]) -> Protocol:
    """Apply `--set ATTACK.PARAM=VALUE`; `norm` and `objectives` count as parameters."""
    plans = list(protocol.attacks)
    for attack, key, value in settings:
        hits = [i for i, plan in enumerate(plans) if plan.name == attack]
        if not hits:
            names = sorted({plan.name for plan in plans})
            raise UsageError(f"--set {attack}.{key}: the protocol has no attack '{attack}'; it has {', '.join(names)}")
        for i in hits:
            plans[i] = _override_one(plans[i], key, value)
    return dataclasses.replace(protocol, attacks=tuple(plans))


def _override_one(plan: AttackPlan, key: str, value: Any) -> AttackPlan:
    if key == "norm":
        return dataclasses.replace(plan, norm=str(value))
    if key == "objectives":
        return dataclasses.replace(plan, objectives=tuple(str(value).split(";")))
    return dataclasses.replace(plan, params={**plan.params, key: value})


def _shipped_protocols() -> Iterator[Entry]:
    for file in sorted(shipped("attacks").glob("*.toml")):
        yield Entry(file.stem, "shipped", summary_of(file), partial(read_protocol, file))


PROTOCOLS: Registry[Protocol] = Registry("protocol", "protocols", _shipped_protocols)
