"""What the options `-a`, `-e` and `--set` make of a protocol, and how variants of one attack are labelled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from robustbench_seg.attacks.registry import ATTACKS, make_attack
from robustbench_seg.errors import UsageError
from robustbench_seg.protocol import DEFAULT_EPSILONS, AttackPlan, Protocol
from robustbench_seg.tasks.registry import TASKS, load_tasks


def from_options(attacks: Sequence[str], epsilons: Sequence[tuple[float, ...]]) -> Protocol:
    """The protocol that `-a` and `-e` make: one list of epsilons for all, or one per attack.

    Without epsilons an attack that can do without runs unbounded, the others on the default grid.
    """
    if epsilons and len(epsilons) not in (1, len(attacks)):
        raise UsageError(f"{len(epsilons)} -e for {len(attacks)} -a; give one -e for all or one each")
    each = [*epsilons] * len(attacks) if len(epsilons) == 1 else epsilons
    grids = each or [_default_grid(name) for name in attacks]
    return Protocol("custom", tuple(AttackPlan(name, grid) for name, grid in zip(attacks, grids, strict=True)))


def _default_grid(name: str) -> tuple[float, ...]:
    return () if "none" in ATTACKS.get(name).norms else DEFAULT_EPSILONS


def narrow(protocol: Protocol, attacks: Sequence[str], epsilons: Sequence[float]) -> Protocol:
    """The part of a protocol that `-a` and `-e` name; UsageError for a name or an epsilon that it lacks."""
    for name in attacks:
        _refuse_unknown(f"protocol '{protocol.name}'", name, protocol)
    # A variant asked for by its label keeps it, also where the others are gone.
    kept = [
        plan if plan.name in attacks or not attacks else labelled
        for plan, labelled in _labelled(protocol)
        if not attacks or plan.name in attacks or labelled.label in attacks
    ]
    for epsilon in epsilons:
        if not any(epsilon in plan.epsilons for plan in kept):
            have = sorted({e for plan in kept for e in plan.epsilons})
            listed = ", ".join(f"{e:g}" for e in have) or "none"
            raise UsageError(f"protocol '{protocol.name}' has no epsilon {epsilon:g}; it has {listed}")
    if epsilons:
        grids = [tuple(epsilon for epsilon in plan.epsilons if epsilon in epsilons) for plan in kept]
        kept = [dataclasses.replace(plan, epsilons=grid) for plan, grid in zip(kept, grids, strict=True) if grid]
    return dataclasses.replace(protocol, attacks=tuple(kept))


def override(protocol: Protocol, settings: Sequence[tuple[str, str, Any]]) -> Protocol:
    """Apply `--set ATTACK.PARAM=VALUE` to all variants of an attack, or to the one that ATTACK[VARIANT] names.

    `norm` and `objectives` count as parameters.
    """
    plans = list(protocol.attacks)
    known = _labelled(protocol)
    for attack, key, value in settings:
        _refuse_unknown(f"--set {attack}.{key}: the protocol", attack, protocol)
        for i, (plan, labelled) in enumerate(known):
            if attack in (plan.name, labelled.label):
                plans[i] = _override_one(plans[i], key, value)
    return dataclasses.replace(protocol, attacks=tuple(plans))


def _override_one(plan: AttackPlan, key: str, value: Any) -> AttackPlan:
    if key == "norm":
        return dataclasses.replace(plan, norm=str(value))
    if key == "objectives":
        return dataclasses.replace(plan, objectives=tuple(str(value).split(";")))
    return dataclasses.replace(plan, params={**plan.params, key: value})


def with_variants(protocol: Protocol) -> Protocol:
    """The protocol with a variant wherever cells of one attack would coincide that differ in its parameters alone.

    The variant is the parameters given that differ, as in `steps=40`, unless the protocol names one.
    """
    plans = tuple(dataclasses.replace(plan, variant=_variant(plan, protocol)) for plan in protocol.attacks)
    return dataclasses.replace(protocol, attacks=plans)


def _labelled(protocol: Protocol) -> list[tuple[AttackPlan, AttackPlan]]:
    return list(zip(protocol.attacks, with_variants(protocol).attacks, strict=True))


def _refuse_unknown(where: str, attack: str, protocol: Protocol) -> None:
    known = sorted({name for plan, labelled in _labelled(protocol) for name in (plan.name, labelled.label)})
    if attack not in known:
        raise UsageError(f"{where} has no attack '{attack}'; it has {', '.join(known)}")


def _variant(plan: AttackPlan, protocol: Protocol) -> str:
    rivals = [other for other in protocol.attacks if _is_rival(plan, other)]
    if plan.variant or not rivals:
        return plan.variant
    others = [vars(make_attack(other.name, other.params)) for other in rivals]
    own = vars(make_attack(plan.name, plan.params))
    differing = [key for key in plan.params if any(other[key] != own[key] for other in others)]
    return ", ".join(f"{key}={plan.params[key]}" for key in differing)


def _is_rival(plan: AttackPlan, other: AttackPlan) -> bool:
    """Whether two plans differ in parameters, not in their labels, and have a cell in common."""
    if (plan.name, plan.variant) != (other.name, other.variant) or plan.params == other.params:
        return False
    return bool(_cells(plan) & _cells(other))


def _cells(plan: AttackPlan) -> set[tuple[object, ...]]:
    """The cells of a plan if a model had every task there is."""
    attack = make_attack(plan.name, plan.params)
    norm = plan.norm or attack.default_norm(bounded=bool(plan.epsilons))
    objectives = [objective.name for objective in attack.objectives(plan.objectives, load_tasks(TASKS))] or [""]
    return {(norm, epsilon, objective) for epsilon in plan.epsilons or (None,) for objective in objectives}
