"""Small run folders with a real store: the value of every image is what a test says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_seg.checks.judge import judged
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.manifest import PairManifest, RunManifest
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult, pack
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import Run, write_tables
from robustbench_seg.results.store import Store

Cells = Mapping[float, Sequence[float | None]]
"""The value of each image by epsilon (0: clean); None where the image failed."""


ROW = Row(
    model="m",
    dataset="d",
    attack="pgd",
    objective="depth",
    norm="linf",
    epsilon=1 / 3,
    task="depth",
    metric="rmse",
    direction="lower",
    value=4.0,
    clean=2.0,
    ratio=0.5,
    ratio_low=None,
    ratio_high=None,
    snr_db=None,
    rms=1.0,
    linf=1.0,
    n_images=8,
    n_unchanged=0,
    status="ok",
)
"""One row of a summary."""


def _depth(error: float) -> dict[str, np.ndarray]:
    """An image whose depth has this RMSE in metres."""
    sums = np.zeros((3, 8))
    sums[-1] = [error / 10, error, error**2, error**2, 1, 1, 1, 1]
    return {"sums": sums}


def _semantic(share: float) -> dict[str, np.ndarray]:
    """An image of two classes, this share of each labelled right."""
    return {"confusion": 100 * np.array([[share, 1 - share], [1 - share, share]])}


_STATISTICS = {"depth": _depth, "semantic": _semantic}


def stored_run(
    folder: Path,
    models: Mapping[str, Cells],
    seed: int = 0,
    tasks: tuple[str, ...] = ("depth",),
    classes: tuple[str, ...] = ("road", "car"),
    groups: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    fingerprint: str = "0c1d",
    params: Mapping[str, Any] | None = None,
    norm: str = "linf",
    worst: Sequence[AttackConfiguration] = (),
    attacked: Sequence[str] = ("depth",),
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> Run:
    """A run of these models on the data set `street`, clean and under FGSM; worst cases need no images.

    The values hold for every task, and for FGSM on each of the `attacked`.
    """
    folder.mkdir(parents=True)
    grids = {model: tuple(epsilon for epsilon in cells if epsilon) for model, cells in models.items()}
    pairs = tuple(
        PairManifest(
            model,
            "street",
            tasks,
            classes,
            (
                AttackConfiguration("clean", "", "", (0.0,)),
                *(AttackConfiguration("fgsm", task, norm, grids[model], params or {}) for task in attacked),
                *worst,
            ),
            parameters=parameters or {},
        )
        for model in models
    )
    names = list(ids or [f"image-{i}" for i in range(len(next(iter(models.values()))[0.0]))])
    with Store(folder / "store.sqlite") as store:
        manifest = RunManifest(pairs, {"street": list(groups or names)}, {"street": names}, seed)
        store.write_meta("manifest", manifest.to_json())
        for p, (model, cells) in enumerate(models.items()):
            for f, grid in enumerate([(0.0,), *[grids[model]] * len(attacked)]):
                found = tuple(CellResult(epsilon, _images(cells[epsilon], tasks)) for epsilon in grid)
                store.write([SweepResult(p, f, 0, found)])
        write_tables(judged(store), folder)
    data = {"name": "street", "split": "val", "n_images": len(names), "fingerprint": fingerprint}
    (folder / "run.json").write_text(json.dumps({"seed": seed, "datasets": [data]}))
    return Run(folder)


def _images(values: Sequence[float | None], tasks: Sequence[str]) -> tuple[ImageResult, ...]:
    return tuple(
        ImageResult(i, "it broke")
        if value is None
        else ImageResult(i, rms=1.0, statistics={task: pack(_STATISTICS[task](value)) for task in tasks})
        for i, value in enumerate(values)
    )
