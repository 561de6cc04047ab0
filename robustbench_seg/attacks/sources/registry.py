"""The libraries whose attacks can be run, by name; listing them imports none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_seg.registry import Registry, built_in

if TYPE_CHECKING:
    from robustbench_seg.attacks.sources.base import AttackSource

BUILT_IN = {
    "advlib": ("attacks.sources.advlib:AdvLib", "adv-lib's attacks on segmentation: advlib:NAME"),
    "torchattacks": ("attacks.sources.torchattacks:Torchattacks", "torchattacks' classes: torchattacks:CLASS"),
}

ATTACK_SOURCES: Registry[type[AttackSource]] = Registry(
    "attack source", "attack_sources", lambda: built_in("attack source", BUILT_IN, "attacks/sources/registry.py")
)
