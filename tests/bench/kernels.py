"""The default kernels, and gradients in half precision, against the model as it is."""

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
from tests.bench.subjects import catalogue
from tests.bench.timing import Side, alternate

OPTIONS = {"plain": ("--plain",), "default": (), "bf16": ("--precision", "bf16")}


@dataclass(frozen=True)
class KernelChoices(Benchmark):
    """Whole processes under klingner2020, with how far the mIoU of a cell moves."""

    name: ClassVar[str] = "kernels"
    what: ClassVar[str] = "the klingner2020 grid with folded BatchNorm and channels last, and in bf16, against --plain"

    repeats: int = 1
    images: int = 48
    model: str = "street-single"

    def figures(self, device: str) -> Iterator[Figure]:
        """A ratio a choice."""
        with tempfile.TemporaryDirectory() as folder:
            raw = alternate({name: self._side(name, Path(folder), device) for name in OPTIONS}, self.repeats)
            tables = {name: _cells(Path(folder) / name) for name in OPTIONS}
        for name in list(OPTIONS)[1:]:
            apart = 100 * (tables[name] - tables["plain"]).abs()
            numbers = {
                f"largest difference of mIoU, {attack}, points": float(apart[attack].max()) for attack in _ATTACKS
            }
            yield figure(name, "quotient", {name: raw[name], "plain": raw["plain"]}, numbers=numbers)

    def _side(self, name: str, folder: Path, device: str) -> Side:
        def side() -> float:
            given = (*catalogue(self.model).arguments, "-d", "street", "-p", "klingner2020", "--device", device)
            options = ("--limit", str(self.images), *OPTIONS[name])
            with tempfile.TemporaryDirectory() as other:
                seconds = run([*ROBUSTSEG, "evaluate", *given, *options, "-o", other])
                Path(other, "summary.csv").replace(folder / name)
            return seconds.seconds

        return side


_ATTACKS = ("clean", "gaussian", "fgsm", "pgd")


def _cells(path: Path) -> pd.Series:
    """The mIoU by attack and radius."""
    table = pd.read_csv(path)
    return table[table["metric"] == "miou"].set_index(["attack", "epsilon"])["value"]
