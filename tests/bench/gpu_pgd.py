"""PGD on a GPU, in strict fp32 and faster, against torchattacks and against a bare loop of the same passes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torchattacks
from torch import Tensor

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.classes import VOID
from robustbench_seg.float32 import tf32
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.tasks.semantic import Semantic, confusion
from tests.bench.baseline_loop import IGNORED
from tests.bench.gpu import THEIRS, VARIANTS, WORK, GPUSide, OnGPU, autocast
from tests.bench.gpu_grid import pooled
from tests.bench.inside import EPSILON, bare_pgd, inside_of, logits_of
from tests.bench.record import Figure, figure

BARE = 0.95


@dataclass(frozen=True)
class GPUPGD(OnGPU):
    """A ResNet-18 U-net trained for some seconds."""

    name: ClassVar[str] = "gpu-pgd-resnet18"
    what: ClassVar[str] = (
        "PGD-20 of a ResNet-18 U-net on a GPU, by how many times torchattacks' speed (fp32), and its share of a bare "
        "loop's"
    )
    strict_goal: ClassVar[float] = 1.0
    fast_goal: ClassVar[float] = 3.0

    budget: float = 85.0
    steps: int = 20

    def side(self, model: LoadedModel, by: int, device: str) -> GPUSide:
        """PGD on one batch."""
        return _Side(self, model, by, device)


@dataclass(frozen=True)
class GPUPGDDeep(GPUPGD):
    """The same on a deeper trunk."""

    name: ClassVar[str] = "gpu-pgd-resnet101"
    what: ClassVar[str] = "the same of a U-net on a ResNet-101"

    budget: float = 35.0
    encoder: str = "resnet101"
    variants: tuple[str, ...] = tuple(name for name, variant in VARIANTS.items() if not variant.is_compiled)
    pixels: int = 4 * 512 * 1024


class _Side(GPUSide):
    def __init__(self, benchmark: GPUPGD, model: LoadedModel, by: int, device: str) -> None:
        super().__init__(benchmark, model, by, device)
        self._steps = benchmark.steps
        inside = inside_of(*self.opened("plain fp32"), self.batch)
        self._images, self._labels = inside.batch.images, inside.batch.labels["semantic"]

    def theirs(self) -> Tensor:
        alpha, steps = 1 / 255, self._steps
        attack = torchattacks.PGD(self.plain, eps=EPSILON / 255, alpha=alpha, steps=steps, random_start=False)
        perturbed: Tensor = attack(self._images, torch.where(self._labels == VOID, IGNORED, self._labels))
        return perturbed

    def ours(self, name: str) -> dict[str, WORK]:
        inside = inside_of(*self.opened(name), self.batch)
        forward = autocast(logits_of(inside.context.target_model.module), inside.context)
        is_tf32 = inside.context.execution.precision == "tf32"

        def bare() -> Tensor:
            with tf32(True) if is_tf32 else contextlib.nullcontext():
                return bare_pgd(forward, self._images, self._labels, self._steps)

        # Steps of 1/255, as theirs.
        attack = PGD(steps=self._steps, alpha=1.0, scale_free=False)
        return {name: lambda: inside.perturb(attack, [EPSILON])[EPSILON], _bare(name): bare}

    def numbers(self, name: str, first: Mapping[str, Any]) -> dict[str, float]:
        scores = {key: self._miou(first[key]) for key in (THEIRS, name)}
        return {"mIoU": scores[THEIRS], "difference of mIoU, points": 100 * abs(scores[name] - scores[THEIRS])}

    def figures(
        self, name: str, raw: Mapping[str, Sequence[float]], numbers: dict[str, float], goal: float
    ) -> Iterator[Figure]:
        yield from super().figures(name, raw, numbers, goal)
        pair = {key: raw[key] for key in (_bare(name), name)}
        yield figure(f"{name}, {self.size}, share of the bare loop", "quotient", pair, at_least=BARE)

    def _miou(self, images: Tensor) -> float:
        with torch.no_grad():
            predicted = self.plain(images).argmax(1)
        matrices = confusion(predicted, self._labels, len(self.model.classes)).cpu().double().numpy()
        return pooled(Semantic(), [{"confusion": matrix} for matrix in matrices])


def _bare(name: str) -> str:
    return f"bare {name}"
