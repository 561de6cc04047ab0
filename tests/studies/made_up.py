"""Made-up runs with a store: three networks per group, a little different by image and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from robustbench_seg.studies.grouped import Grouped
from robustbench_seg.studies.klingner2020 import EPSILONS
from tests.results.stored_runs import stored_run

IMAGES = 12


def _cells(clean: float, share: float, seed: int) -> dict[float, list[float]]:
    """Shares of pixels right, clean and under FGSM."""
    noise = np.random.default_rng(seed).normal(0, 0.01, IMAGES)
    return {0.0: list(clean + noise), **{e: list((clean + noise) * share ** (1 + i)) for i, e in enumerate(EPSILONS)}}


def grouped_run(folder: Path, groups: Sequence[str], clean: Mapping[str, float], share: Mapping[str, float]) -> Grouped:
    """`clean` and `share` are by group."""
    names = {kind: [f"{kind}-{seed}" for seed in range(3)] for kind in groups}
    models = {name: _cells(clean[k], share[k], i) for k in groups for i, name in enumerate(names[k])}
    return Grouped(stored_run(folder, models, tasks=("semantic",), attacked=("semantic",)), names)
