"""What Cityscapes would take on 1, 8 and 64 GPUs, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.evaluation.estimate import Estimate
from tests.bench.benchmark import Benchmark
from tests.bench.paper import ASSUMED, FORWARD_S, GRADIENT_FORWARDS, SCORE_S, Paper, card
from tests.bench.ready import HEIGHT, WIDTH
from tests.bench.record import Figure, figure

_HOUR = 3600


@dataclass(frozen=True)
class Scale(Benchmark):
    """Nothing is measured: counts and hours are those of the evaluation's own estimate, images one at a time."""

    name: ClassVar[str] = "scale"
    what: ClassVar[str] = (
        "on paper, none of it run on a GPU: by how many times faster 64 GPUs are than one (64 at best) on Cityscapes "
        f"val (500 images of 1024×2048), 20 models of segmentation and depth, where {ASSUMED}"
    )

    repeats: int = 1
    protocols: tuple[str, ...] = ("quick", "klingner2020", "snr-equal", "strong")
    models: int = 20
    images: int = 500
    gpus: tuple[int, ...] = (1, 8, 64)
    forward_s: float = FORWARD_S
    gradient_forwards: float = GRADIENT_FORWARDS
    score_s: float = SCORE_S

    def figures(self, device: str) -> Iterator[Figure]:
        """A figure per protocol: hours of one GPU by those of the most."""
        timing = card(self.forward_s, self.gradient_forwards, self.score_s)
        for protocol in self.protocols:
            yield self._figure(Paper(protocol, self.models, self.images, (HEIGHT, WIDTH), 1, timing))

    def _figure(self, paper: Paper) -> Figure:
        first, *between, last = (paper.estimate(count) for count in self.gpus)
        raw = {_gpus(each): [each.seconds / _HOUR] for each in (first, last)}
        numbers = {
            **{f"{_gpus(each)}, h": each.seconds / _HOUR for each in between},
            "of these before the work, on one GPU, h": first.fit_seconds / _HOUR,
            "gradients, millions": first.gradients / 1e6,
            "forwards, theirs included, millions": first.forwards / 1e6,
            "results, thousands": paper.results / 1e3,
            f"results/s of {_gpus(last)}": paper.results_per_second(last.workers),
            "GB of files read": paper.bytes_read() / 1e9,
            "GB to the GPUs": paper.bytes_to_devices() / 1e9,
            "GB from the workers": paper.bytes_from_workers() / 1e9,
            "GB stored": first.megabytes * 2**20 / 1e9,
        }
        return figure(paper.protocol, "quotient", raw, "h", numbers=numbers)


def _gpus(each: Estimate) -> str:
    return f"{each.workers} GPU{'s' * (each.workers > 1)}"
