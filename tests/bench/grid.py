"""The klingner2020 grid as one command, against the loop that a user would write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from tests.bench.benchmark import Benchmark
from tests.bench.process import ROBUSTSEG, run
from tests.bench.record import Figure, figure
from tests.bench.subjects import HERE, Subject, Training, camvid, catalogue, opened, reduced, unet
from tests.bench.timing import alternate

TARGET = 0.45
APART = 0.1
"""Points of mIoU."""
_COMPARED = ("clean", "fgsm", "pgd")
"""Noise is drawn otherwise on the two sides; the rest is the same computation."""


@dataclass(frozen=True)
class Grid(Benchmark):
    """Whole processes, the report included; torch's threads as a user finds them.

    An empty `dataset` is CamVid; the frames' sides are divided by `reduce`.
    """

    name: ClassVar[str] = "grid"
    what: ClassVar[str] = (
        "the klingner2020 grid on 48 frames of CamVid, report included, against a loop with torchattacks and "
        "torchmetrics"
    )

    repeats: int = 1
    images: int = 48
    reduce: int = 1
    dataset: str = ""
    model: str = "camvid-mobilenetv2"

    def figures(self, device: str) -> Iterator[Figure]:
        """The ratio of seconds, and by how much the two sides' mIoU differ at most in a cell."""
        with tempfile.TemporaryDirectory() as folder:
            source = self.dataset or camvid()
            data = reduced(opened(source, "val"), self.images, self.reduce, Path(folder) / "val")
            yield from self._figures(self.subject(source, Path(folder)), data, Path(folder))

    def subject(self, source: str, folder: Path) -> Subject:
        """The model that is measured; `source` is the data set at its own size."""
        return catalogue(self.model)

    def _figures(self, subject: Subject, data: str, folder: Path) -> Iterator[Figure]:
        counter = iter(range(10**6))

        def ours() -> float:
            out = folder / f"run-{next(counter)}"
            limit = ("--limit", str(self.images))
            grid = ("-d", data, "-p", "klingner2020", "--device", "cpu")
            return run([*ROBUSTSEG, "evaluate", *subject.arguments, *grid, *limit, "-o", out]).seconds

        def theirs() -> float:
            own = (subject.spec.own or {}).values()
            return run(
                [HERE / "baseline_loop.py", subject.spec.name, data, str(self.images), folder / "loop.csv", *own]
            ).seconds

        raw = alternate({"robustseg": ours, "torchattacks loop": theirs}, self.repeats)
        yield figure(subject.name, "quotient", raw, at_most=TARGET)
        clean, apart = differences(folder / "run-0" / "summary.csv", folder / "loop.csv")
        largest = {"largest difference of mIoU": [max(apart.values())]}
        numbers = {"clean mIoU": clean} | {f"{name}, points": value for name, value in apart.items()}
        yield figure(f"{subject.name}, mIoU", "median", largest, "points", at_most=APART, numbers=numbers)


@dataclass(frozen=True)
class GridHalf(Grid):
    """The same on smaller frames."""

    name: ClassVar[str] = "grid-half"
    what: ClassVar[str] = "the same grid on the frames at half their size"

    repeats: int = 3
    reduce: int = 2


@dataclass(frozen=True)
class GridResNet18(Grid):
    """The same on the paper's network, trained for some seconds on the train split."""

    name: ClassVar[str] = "grid-resnet18"
    what: ClassVar[str] = "the same grid on a ResNet-18 U-net of the paper's width, at half their size"

    reduce: int = 2
    model: str = "resnet18-unet"
    training_steps: int = 60

    def subject(self, source: str, folder: Path) -> Subject:
        """The trained network."""
        training = Training(steps=self.training_steps)
        frames = reduced(opened(source, "train"), training.frames, self.reduce, folder / "train")
        return unet(opened(frames), folder, training)


def differences(summary: Path, loop: Path) -> tuple[float, dict[str, float]]:
    """The clean mIoU, and by attack the largest difference of a cell's, in points (hundredths)."""
    table = pd.read_csv(summary)
    ours = _cells(table[(table["metric"] == "miou") & (table["task"] == "semantic")], "value")
    theirs = _cells(pd.read_csv(loop), "miou")
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"the two sides have other cells: {sorted(ours)}, {sorted(theirs)}")
    apart = {key: 100 * abs(ours[key] - theirs[key]) for key in ours}
    largest = {name: max(value for (attack, _), value in apart.items() if attack == name) for name in _COMPARED}
    return ours["clean", 0.0], largest


def _cells(table: pd.DataFrame, column: str) -> dict[tuple[str, float], float]:
    rows = zip(table["attack"], table["epsilon"], table[column], strict=True)
    return {(str(attack), float(epsilon)): float(value) for attack, epsilon, value in rows}
