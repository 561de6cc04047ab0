"""The klingner2020 grid on a GPU, in strict fp32 and faster, against the loop that a user would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.plan import Plan
from robustbench_seg.evaluation.worker import read, work_on
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.results.records import unpack
from robustbench_seg.tasks.base import Statistics
from robustbench_seg.tasks.semantic import Semantic
from tests.bench.baseline_loop import evaluate
from tests.bench.gpu import THEIRS, VARIANTS, WORK, GPUSide, OnGPU

Table = dict[tuple[str, float], float]
"""MIoU by attack and epsilon."""


@dataclass(frozen=True)
class GPUGrid(OnGPU):
    """A ResNet-18 U-net trained for some seconds."""

    name: ClassVar[str] = "gpu-grid-resnet18"
    what: ClassVar[str] = (
        "the klingner2020 grid of a ResNet-18 U-net on a GPU, by how many times the speed of a loop with torchattacks "
        "and torchmetrics (fp32)"
    )
    strict_goal: ClassVar[float] = 2.0
    fast_goal: ClassVar[float] = 6.0

    budget: float = 45.0
    repeats: int = 2
    variants: tuple[str, ...] = tuple(name for name, variant in VARIANTS.items() if not variant.is_compiled)

    def side(self, model: LoadedModel, by: int, device: str) -> GPUSide:
        """The grid on one batch, scored."""
        return _Side(self, model, by, device)


@dataclass(frozen=True)
class GPUGridDeep(GPUGrid):
    """The same on a deeper trunk."""

    name: ClassVar[str] = "gpu-grid-resnet101"
    what: ClassVar[str] = "the same of a U-net on a ResNet-101"

    budget: float = 35.0
    encoder: str = "resnet101"
    pixels: int = 4 * 512 * 1024


class _Side(GPUSide):
    def theirs(self) -> Table:
        found = evaluate(self.plain, self.data, self.batch, self.device, self.batch)
        return {(attack, epsilon): iou for attack, epsilon, iou in found}

    def ours(self, name: str) -> dict[str, WORK]:
        plan, context = self.opened(name, PROTOCOLS.get("klingner2020"))
        return {name: lambda: _table(context, plan)}

    def numbers(self, name: str, first: Mapping[str, Any]) -> dict[str, float]:
        ours, theirs = first[name], first[THEIRS]
        # Noise is drawn otherwise on the two sides.
        compared = [key for key in theirs if key[0] in ("clean", "fgsm", "pgd")]
        apart = max(100 * abs(ours[key] - theirs[key]) for key in compared)
        return {"largest difference of mIoU, points": apart}


def _table(context: WorkerContext, plan: Plan) -> Table:
    """MIoU of every cell, through the evaluation's work items."""
    cells: dict[tuple[str, float], list[Statistics]] = {}
    for work_item in plan.work_items():
        for configuration in work_on(context, work_item, read(context, work_item.images), Pictures()):
            attack = context.pair.configurations[configuration.configuration].attack
            for cell in configuration.cells:
                found = [unpack(image.statistics["semantic"]) for image in cell.images]
                cells.setdefault((attack, cell.epsilon or 0.0), []).extend(found)
    return {key: pooled(Semantic(), statistics) for key, statistics in cells.items()}


def pooled(task: Semantic, statistics: Sequence[Statistics]) -> float:
    """The mIoU of images."""
    values = task.values(statistics, np.ones((1, len(statistics))), task.scored(statistics))
    return float(values.overall["miou"][0])
