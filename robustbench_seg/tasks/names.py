"""Names of tasks: that of their kind, and that of one of several of a kind in one model.

A model may have several tasks of one kind, each with its own output, labels and classes: `semantic[drivable]` and
`semantic[lanes]`. The name says the kind, so whoever reads it needs nothing else to know what the task declares.
"""

from __future__ import annotations

import re

_NAMED = re.compile(r"(?P<kind>[^\[\]]+)\[(?P<label>[^\[\]]+)\]")


def named(kind: str, label: str) -> str:
    """The name of one of several tasks of a kind: `semantic[drivable]`."""
    return f"{kind}[{label}]"


def kind_of(name: str) -> str:
    """The kind of a task, by which it is registered: `semantic` of `semantic` and of `semantic[drivable]`."""
    found = _NAMED.fullmatch(name)
    return found["kind"] if found else name


def label_of(name: str) -> str:
    """What a task is called among those of its kind: `drivable` of `semantic[drivable]`; empty without such a name."""
    found = _NAMED.fullmatch(name)
    return found["label"] if found else ""
