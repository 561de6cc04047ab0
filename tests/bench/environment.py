"""The environment of a record."""

from __future__ import annotations

import os
from typing import Literal

from robustbench_seg.evaluation.provenance import provenance
from tests.bench.record import Environment


def environment(device: str) -> Environment:
    """This machine, seen as the device (cpu, cuda) that is measured."""
    known = provenance(device)
    kind: Literal["cpu", "cuda"] = "cuda" if device.startswith("cuda") else "cpu"
    cores = len(os.sched_getaffinity(0))
    return Environment(kind, known["device"], cores, known["platform"], known["versions"])
