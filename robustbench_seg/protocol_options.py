"""What the options `-a`, `-e` and `--set` make of a protocol, and how variants of one attack are labelled."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robustbench_seg.attacks.registry import ATTACKS, attack_title, make_attack
from robustbench_seg.errors import UsageError
from robustbench_seg.protocol import DEFAULT_EPSILONS, AttackPlan, Protocol
from robustbench_seg.tasks.registry import TASKS, is_task, load_tasks

if TYPE_CHECKING:
    from robustbench_seg.attacks.base import Perturbation


SETTING = r"(?P<name>[^.=\[]+(\[[^\]]*\])?)\.(?P<key>[^.=]+)"
"""How a parameter is named: of an attack, of one variant of it, or of a task."""


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

    `norm` and `objectives` count as parameters. `--set TASK.PARAM=VALUE` is for what is not an attack of the protocol.
    """
    plans = list(protocol.attacks)
    known = _labelled(protocol)
    tasks = dict(protocol.tasks)
    for attack, key, value in settings:
        if is_task(attack) and not any(attack in (plan.name, labelled.label) for plan, labelled in known):
            tasks[attack] = {**tasks.get(attack, {}), key: value}
            continue
        _refuse_unknown(f"--set {attack}.{key}: the protocol", attack, protocol)
        for i, (plan, labelled) in enumerate(known):
            if attack in (plan.name, labelled.label):
                plans[i] = _override_one(plans[i], key, value)
    if settings:
        # Made here, so that what does not fit is said before models are loaded.
        for plan in plans:
            _attack(plan)
        _refuse_equal(plans, [labelled.label for _, labelled in known])
    return dataclasses.replace(protocol, attacks=tuple(plans), tasks=tasks)


def split_setting(name: str) -> tuple[str, str]:
    """`NAME.PARAM` or `NAME[VARIANT].PARAM` as the attack or task, and its parameter; UsageError for anything else."""
    parts = re.fullmatch(SETTING, name)
    if parts is None:
        raise UsageError(f"setting {name}: write ATTACK.PARAM or TASK.PARAM, as in pgd.steps or depth.crop")
    return parts["name"], parts["key"]


def _refuse_equal(plans: Sequence[AttackPlan], before: Sequence[str]) -> None:
    """UsageError where two plans have become the same attack on the same cells; `before` are their labels so far."""
    for (plan, label), (other, other_label) in itertools.combinations(zip(plans, before, strict=True), 2):
        same_epsilon = not plan.epsilons or set(plan.epsilons) & set(other.epsilons)
        if same_epsilon and _same_curve(plan, other) and _attack(plan) == _attack(other):
            raise UsageError(f"--set makes {label} and {other_label} the same; set one alone, as in --set '{label}.…'")


def _override_one(plan: AttackPlan, key: str, value: Any) -> AttackPlan:
    if key == "norm":
        return dataclasses.replace(plan, norm=str(value))
    if key == "objectives":
        return dataclasses.replace(plan, objectives=tuple(str(value).split(";")))
    return dataclasses.replace(plan, params={**plan.params, key: value})


def with_variants(protocol: Protocol) -> Protocol:
    """The protocol with a variant wherever curves of one attack would coincide that differ in its parameters alone.

    The variant is the parameters given that differ, as in `steps=40`, and those that an attack without an epsilon is
    named by, as in `severity=3`, unless the protocol names one.
    """
    plans = tuple(dataclasses.replace(plan, variant=_variant(plan, protocol)) for plan in protocol.attacks)
    return dataclasses.replace(protocol, attacks=plans)


def caveats(protocol: Protocol) -> list[str]:
    """What a reader must know of the attacks of a protocol, one line for each thing: `PGD: as in the paper, …`."""
    titles: dict[str, list[str]] = {}
    for plan in protocol.attacks:
        titles.setdefault(_attack(plan).caveat(), []).append(attack_title(plan.name))
    return [f"{', '.join(dict.fromkeys(names))}: {caveat}" for caveat, names in titles.items() if caveat]


def _labelled(protocol: Protocol) -> list[tuple[AttackPlan, AttackPlan]]:
    return list(zip(protocol.attacks, with_variants(protocol).attacks, strict=True))


def _refuse_unknown(where: str, attack: str, protocol: Protocol) -> None:
    known = sorted({name for plan, labelled in _labelled(protocol) for name in (plan.name, labelled.label)})
    if attack not in known:
        raise UsageError(f"{where} has no attack '{attack}'; it has {', '.join(known)}")


def _variant(plan: AttackPlan, protocol: Protocol) -> str:
    if plan.variant:
        return plan.variant
    own = _attack(plan)
    rivals = [_attack(other) for other in protocol.attacks if _same_curve(plan, other)]
    differing = [key for key in plan.params if any(getattr(rival, key) != getattr(own, key) for rival in rivals)]
    named = () if plan.epsilons else own.named_by
    return ", ".join(f"{key}={plan.params.get(key, getattr(own, key))}" for key in dict.fromkeys((*named, *differing)))


def _attack(plan: AttackPlan) -> Perturbation:
    return make_attack(plan.name, plan.params)


def _same_curve(plan: AttackPlan, other: AttackPlan) -> bool:
    """Whether two plans have a name, variant, norm and objective in common, whatever their epsilons."""
    return (plan.name, plan.variant) == (other.name, other.variant) and bool(_curves(plan) & _curves(other))


def _curves(plan: AttackPlan) -> set[tuple[str, str]]:
    """The norm and objective of each curve of a plan if a model had every task there is."""
    attack = _attack(plan)
    norm = plan.norm or attack.default_norm(bounded=bool(plan.epsilons))
    objectives = [objective.name for objective in attack.objectives(plan.objectives, load_tasks(TASKS))] or [""]
    return {(norm, objective) for objective in objectives}
