"""What may make gradients faster: small changes to how a model is run, which `--fast` tries one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from robustbench_seg.evaluation.optimize import Execution


@dataclass(frozen=True)
class Candidate:
    """A change of some fields of an `Execution`.

    `devices` are the types it has a meaning on, with the seconds that its preparation takes about: where that is much
    of the work it is not even tried.
    """

    name: str
    change: Mapping[str, Any]
    devices: Mapping[str, float] = field(default_factory=lambda: {"cpu": 0.0, "cuda": 0.0})

    def seconds(self, device: str) -> float | None:
        """Return what preparing takes on a device; None where the candidate is not for it."""
        return self.devices.get(torch.device(device).type)


CANDIDATES = {
    candidate.name: candidate
    for candidate in (
        Candidate("tf32", {"precision": "tf32"}, {"cuda": 0.0}),
        # On a CPU weights are laid out so anyway.
        Candidate("channels-last", {"channels_last": True}, {"cuda": 0.0}),
        Candidate("bf16", {"precision": "bf16"}),
        Candidate("compile", {"compile": True}, {"cpu": 300.0, "cuda": 60.0}),
        Candidate("graphs", {"graphs": True}, {"cuda": 0.0}),
    )
}
"""In the order they are tried."""


def chosen(execution: Execution, names: Iterable[str]) -> Execution:
    """Return an execution with the changes of candidates, by name."""
    for name in names:
        execution = replace(execution, **CANDIDATES[name].change)
    return execution


def added(names: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the names with another one, without those of which it leaves nothing."""
    change = CANDIDATES[name].change
    return (*(other for other in names if CANDIDATES[other].change.keys() - change.keys()), name)
