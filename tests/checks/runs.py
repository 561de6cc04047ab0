"""Runs with a real store in which a test says what every attack left of every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_seg.checks.judge import RECORDS, judged
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.keys import CLEAN, FLOAT, AttackConfiguration
from robustbench_seg.results.manifest import PairManifest, RunManifest
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult, pack
from robustbench_seg.results.rows import Row
from robustbench_seg.results.store import Store
from robustbench_seg.results.tables import Tables

IMAGES = 16
CLEAN_SHARE = 0.9
CLASSES = ("road", "sidewalk", "building", "pole", "vegetation", "sky", "person", "car")
_DRAW = np.random.default_rng(0)
SPREAD = _DRAW.uniform(-0.02, 0.02, IMAGES)
"""What images differ by, the same under every attack."""
JITTER = _DRAW.uniform(-0.004, 0.004, (64, IMAGES))
"""What they differ by from attack to attack."""


@dataclass(frozen=True)
class Attack:
    """An attack that leaves these shares of the pixels right, by epsilon; `reached` of the images had a gradient.

    Two that are `drawn_as` the same have the same results where they leave the same.
    """

    name: str
    left: Mapping[float, float]
    objective: str = "semantic"
    norm: str = "linf"
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    rms: Mapping[float, float] = field(default_factory=dict)
    reached: int | None = IMAGES
    failed: int = 0
    drawn_as: int | None = None
    scored: tuple[str, ...] = (FLOAT,)

    @property
    def configuration(self) -> AttackConfiguration:
        return AttackConfiguration(
            self.name, self.objective, self.norm, tuple(self.left), dict(self.params), self.variant, self.scored
        )


def noise(left: Mapping[float, float], rms: Mapping[float, float] | None = None) -> Attack:
    return Attack("gaussian", left, "", "rms", rms=rms or {epsilon: epsilon for epsilon in left}, reached=None)


SOUND = (
    noise({1.0: 0.89, 4.0: 0.8}),
    Attack("fgsm", {1.0: 0.7, 4.0: 0.4}),
    Attack("pgd", {1.0: 0.6, 4.0: 0.2}, params={"steps": 5}, variant="5 steps"),
    Attack("pgd", {1.0: 0.5, 4.0: 0.1}, params={"steps": 10}, variant="10 steps"),
    Attack("square", {1.0: 0.8, 4.0: 0.5}, reached=None),
)


def tables(
    folder: Path,
    attacks: Sequence[Attack] = SOUND,
    clean: float = CLEAN_SHARE,
    images: int = IMAGES,
    records: Mapping[str, Any] | None = None,
) -> Tables:
    """The tables of a run of one model under these attacks; `records` are those of model checks."""
    every = [Attack(CLEAN, {0.0: clean}, "", "", reached=None), *attacks]
    configurations = tuple(attack.configuration for attack in every)
    pair = PairManifest("m", "street", ("semantic",), CLASSES, configurations)
    names = [f"image-{i}" for i in range(images)]
    with Store(folder / "store.sqlite") as store:
        store.write_meta("manifest", RunManifest((pair,), {"street": names}, {"street": names}, 0).to_json())
        kept = {name: {"record": record, "cost": {}} for name, record in (records or {}).items()}
        store.write_meta(RECORDS, {"0": {"images": images, "records": kept}})
        for index, attack in enumerate(every):
            # Images fail in the last way of scoring.
            cells = tuple(
                _cell(attack if scored == attack.scored[-1] else replace(attack, failed=0), epsilon, index, images)
                for epsilon, scored in attack.configuration.cells
            )
            store.write([SweepResult(0, index, 0, cells)])
        return judged(store)


def found(made: Tables) -> dict[str, Finding]:
    return {finding.check: finding for finding in made.findings}


def verdicts(made: Tables) -> dict[tuple[str, float | None], str]:
    """The verdict of each cell's mIoU."""
    return {(row.attack, row.epsilon): row.verdict for row in made.summary if row.metric == "miou"}


def row_of(made: Tables, attack: str, epsilon: float) -> Row:
    (row,) = [r for r in made.summary if (r.attack, r.epsilon, r.metric) == (attack, epsilon, "miou")]
    return row


def _cell(attack: Attack, epsilon: float, index: int, images: int) -> CellResult:
    draw = index if attack.drawn_as is None else attack.drawn_as
    shares = attack.left[epsilon] + SPREAD + JITTER[(7 * draw + int(4 * epsilon)) % 64]
    return CellResult(epsilon, tuple(_image(attack, epsilon, i, float(shares[i])) for i in range(images)))


def _image(attack: Attack, epsilon: float, i: int, share: float) -> ImageResult:
    if i < attack.failed:
        return ImageResult(i, "it broke")
    reached = None if attack.reached is None else i < attack.reached
    rms = attack.rms.get(epsilon, 0.9 * epsilon) if reached is not False else 0.0
    others = (1 - share) / (len(CLASSES) - 1)
    confusion = 100 * (others + (share - others) * np.eye(len(CLASSES)))
    return ImageResult(
        i,
        rms=rms,
        linf=epsilon,
        unchanged=rms == 0,
        reached=reached,
        statistics={"semantic": pack({"confusion": confusion})},
    )
