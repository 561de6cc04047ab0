"""Time of PGD over its steps and over the size of the images, one batch inside this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.registry import load_plugin
from tests.bench.benchmark import Benchmark
from tests.bench.inside import EPSILON, Inside, first_batch
from tests.bench.record import Figure, figure
from tests.bench.subjects import ARRAYS, catalogue
from tests.bench.timing import Side, alternate, threads, timed


@dataclass(frozen=True)
class Steps(Benchmark):
    """A fixed batch, more and more steps."""

    name: ClassVar[str] = "steps"
    what: ClassVar[str] = "seconds of PGD at ε 16 over its number of steps"

    repeats: int = 5
    steps: tuple[int, ...] = (5, 10, 20, 40)
    images: int = 8
    model: str = "street-single"

    def figures(self, device: str) -> Iterator[Figure]:
        """R² of a line."""
        inside = _open(self.model, "96x192", self.images, device)
        sides = {str(steps): _pgd(inside, steps, device) for steps in self.steps}
        with threads(inside.threads):
            yield figure("time", "line", alternate(sides, self.repeats, warm_up=1))


@dataclass(frozen=True)
class Sizes(Benchmark):
    """A fixed number of steps and images, larger and larger images; the raw series are named by pixels."""

    name: ClassVar[str] = "sizes"
    what: ClassVar[str] = "seconds of PGD-5 at ε 16 over the pixels of an image"

    repeats: int = 5
    sizes: tuple[str, ...] = ("96x192", "128x256", "192x384", "256x512")
    images: int = 2
    model: str = "street-single"

    def figures(self, device: str) -> Iterator[Figure]:
        """R² of a line."""
        opened = [_open(self.model, size, self.images, device) for size in self.sizes]
        sides = {str(inside.batch.images[0, 0].numel()): _pgd(inside, 5, device) for inside in opened}
        with threads(opened[0].threads):
            yield figure("time", "line", alternate(sides, self.repeats, warm_up=1))


def _open(model: str, size: str, images: int, device: str) -> Inside:
    load_plugin(ARRAYS)
    return first_batch(catalogue(model).spec, DataSpec("arrays", size), images, device=device, batch_size=images)


def _pgd(inside: Inside, steps: int, device: str) -> Side:
    return timed(lambda: inside.perturb(PGD(steps=steps), [EPSILON]), device)
