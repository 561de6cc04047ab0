"""What a name such as `torchattacks:PGD` stands for."""

from __future__ import annotations

import functools

from robustbench_seg.attacks.sources.registry import ATTACK_SOURCES
from robustbench_seg.errors import UsageError
from robustbench_seg.registry import Entry, unknown


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
