"""The libraries whose attacks can be run, by name; listing them imports none."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import Entry, Registry, built_in, unknown

if TYPE_CHECKING:
    from robustbench_seg.attacks.sources.base import AttackSource

BUILT_IN = {
    "advlib": ("attacks.sources.advlib:AdvLib", "adv-lib's attacks on segmentation: advlib:NAME"),
    "torchattacks": ("attacks.sources.torchattacks:Torchattacks", "torchattacks' classes: torchattacks:CLASS"),
}

ATTACK_SOURCES: Registry[type[AttackSource]] = Registry(
    "attack source", "attack_sources", lambda: built_in("attack source", BUILT_IN, "attacks/sources/registry.py")
)


@functools.cache
def of_library(name: str) -> Entry | None:
    """The entry of `SOURCE:NAME`, the same each time; None for another name. UsageError where there is none."""
    source, colon, attack = name.partition(":")
    if not colon:
        return None
    if source not in ATTACK_SOURCES:
        # It asks the sources.
        from robustbench_seg.attacks.sources.elsewhere import elsewhere

        hint = elsewhere(attack)
        raise UsageError(
            f"unknown source of attacks '{source}'; as for '{attack}', {hint}"
            if hint
            else unknown("source of attacks", source, ATTACK_SOURCES)
        )
    return ATTACK_SOURCES.get(source)().entry(attack)
