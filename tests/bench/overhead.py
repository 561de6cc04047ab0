"""PGD through robustseg against a bare loop of the same forwards and backwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.allocator import keep_freed_memory
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.evaluation.spec import DataSpec
from tests.bench.benchmark import Benchmark
from tests.bench.inside import EPSILON, bare_pgd, first_batch, logits_of
from tests.bench.record import Figure, figure
from tests.bench.subjects import catalogue
from tests.bench.timing import alternate, threads, timed

TARGET = 1.05


@dataclass(frozen=True)
class Overhead(Benchmark):
    """Same module, batch, threads, allocator and steps on both sides; ε is 16, so that no image stops early."""

    name: ClassVar[str] = "overhead"
    what: ClassVar[str] = "PGD-20 at one ε through robustseg, against a bare loop of the same forwards and backwards"

    repeats: int = 7
    steps: int = 20
    images: int = 8
    models: tuple[str, ...] = ("street-single", "street-multi")

    def figures(self, device: str) -> Iterator[Figure]:
        """A ratio a model."""
        keep_freed_memory()
        for name in self.models:
            yield self._figure(name, device)

    def _figure(self, name: str, device: str) -> Figure:
        inside = first_batch(
            catalogue(name).spec, DataSpec("street"), self.images, device=device, batch_size=self.images
        )
        attack, target_model, batch = PGD(steps=self.steps), inside.context.target_model, inside.batch
        forward, labels = logits_of(target_model.module), batch.labels["semantic"]
        with threads(inside.threads):
            before = target_model.cost.backwards
            ours = inside.perturb(attack, [EPSILON])[EPSILON]
            gradients = (target_model.cost.backwards - before) / len(batch)
            theirs = bare_pgd(forward, batch.images, labels, self.steps)
            sides = {
                "robustseg": timed(lambda: inside.perturb(attack, [EPSILON]), device),
                "bare loop": timed(lambda: bare_pgd(forward, batch.images, labels, self.steps), device),
            }
            raw = alternate(sides, self.repeats, warm_up=1)
        largest = float((ours - theirs).abs().max()) * 255
        numbers = {"gradients an image": gradients, "largest difference, grey values": largest}
        return figure(name, "quotient", raw, at_most=TARGET, numbers=numbers)
