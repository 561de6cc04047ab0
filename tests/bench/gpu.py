"""PGD-20 and the klingner2020 grid on a GPU, in fp32, channels-last, bf16 and compiled, against torchattacks."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torchattacks
from torch import Tensor, nn

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.classes import VOID
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.plan import Plan
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.worker import read, work_on
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.results.records import SweepResult, unpack
from robustbench_seg.street.dataset import Street
from robustbench_seg.tasks.base import Statistics
from robustbench_seg.tasks.semantic import Semantic, confusion
from tests.bench.baseline_loop import BATCH, IGNORED, Logits, evaluate
from tests.bench.benchmark import Benchmark
from tests.bench.inside import EPSILON, bare_pgd, first_batch, logits_of, open_pair
from tests.bench.record import Figure, figure, medians
from tests.bench.subjects import Training, resnet18
from tests.bench.timing import alternate, timed

GOAL = 3.0
_TRAINING = Training(steps=200, batch=8, frames=16, crop=(256, 512))
THEIRS = "torchattacks"


@dataclass(frozen=True)
class Variant:
    """How the evaluation is asked to run a model."""

    memory_format: torch.memory_format = torch.contiguous_format
    precision: str = "fp32"
    compile: bool = False
    plain: bool = False

    @property
    def options(self) -> dict[str, object]:
        """As a request takes them."""
        return {"precision": self.precision, "compile": self.compile, "plain": self.plain}


VARIANTS = {
    "eager fp32": Variant(plain=True),
    "channels-last": Variant(torch.channels_last, plain=True),
    "folded": Variant(),
    "bf16": Variant(precision="bf16"),
    "compiled bf16": Variant(precision="bf16", compile=True),
}
"""The last three as the evaluation runs them by itself: BatchNorm folded, bf16 in channels last."""


@dataclass(frozen=True)
class GPU(Benchmark):
    """A ResNet-18 U-net trained for some seconds on `street` rendered at `size`."""

    name: ClassVar[str] = "gpu"
    what: ClassVar[str] = (
        "PGD-20 and the klingner2020 grid of a ResNet-18 U-net, by how many times torchattacks' (fp32) speed"
    )
    devices: ClassVar[tuple[str, ...]] = ("cuda",)

    repeats: int = 5
    images: int = 16
    size: tuple[int, int] = (512, 1024)
    steps: int = 20
    variants: tuple[str, ...] = tuple(VARIANTS)
    training: Training = _TRAINING

    def figures(self, device: str) -> Iterator[Figure]:
        """Speed-ups of PGD-20, then of the grid."""
        with tempfile.TemporaryDirectory() as folder:
            train = Held(Street(split="train", size=self.size), self.training.frames)
            model = resnet18(train, Path(folder), self.training, device).spec.load()
        data = Held(Street(size=self.size), self.images)
        yield from self._pgd(model, data, device)
        yield from self._grid(model, data, device)

    def _pgd(self, model: LoadedModel, data: Dataset, device: str) -> Iterator[Figure]:
        options = {"device": device, "batch_size": BATCH}
        plain = Logits(_module(model, VARIANTS["eager fp32"], device))
        theirs = torchattacks.PGD(plain, eps=EPSILON / 255, alpha=1 / 255, steps=self.steps, random_start=False)
        sides: dict[str, Callable[[], Tensor]] = {}
        for name in self.variants:
            variant = VARIANTS[name]
            given, frames = _in_memory(model, variant, device), InMemory("street", data)
            inside = first_batch(given, frames, BATCH, **options, **variant.options)
            images, labels = inside.batch.images, inside.batch.labels["semantic"]
            forward = _autocast(logits_of(inside.context.target_model.module), variant.precision, device)
            # Bound now: the loop goes on before they are called.
            sides[name] = lambda inside=inside: inside.perturb(PGD(steps=self.steps), [EPSILON])[EPSILON]  # type: ignore[misc]
            sides[f"bare {name}"] = lambda f=forward, x=images, y=labels: bare_pgd(f, x, y, self.steps)  # type: ignore[misc]
            sides[THEIRS] = lambda x=images, y=labels: theirs(x, torch.where(y == VOID, IGNORED, y))  # type: ignore[misc]
        scores = {name: _score(plain, sides[name](), labels, len(model.classes)) for name in (*self.variants, THEIRS)}
        raw = alternate({name: timed(work, device) for name, work in sides.items()}, self.repeats, warm_up=1)
        middle = medians(raw)
        for name in self.variants:
            numbers = {
                "images/s": len(images) / middle[name],
                "share of the bare loop's speed": middle[f"bare {name}"] / middle[name],
                "mIoU": scores[THEIRS],
                "difference of mIoU, points": 100 * abs(scores[name] - scores[THEIRS]),
            }
            pair = {key: raw[key] for key in (THEIRS, name)}
            yield figure(f"PGD-{self.steps}, {name}", "quotient", pair, at_least=GOAL, numbers=numbers)

    def _grid(self, model: LoadedModel, data: Dataset, device: str) -> Iterator[Figure]:
        plain = Logits(_module(model, VARIANTS["eager fp32"], device))
        tables: dict[str, dict[tuple[str, float], float]] = {}

        def theirs() -> None:
            tables[THEIRS] = {(a, e): iou for a, e, iou in evaluate(plain, data, self.images, device)}

        sides: dict[str, Callable[[], None]] = {THEIRS: theirs}
        for name in self.variants:
            sides[name] = self._evaluation(name, model, data, device, tables)
        first = {name: timed(work, device)() for name, work in sides.items()}
        raw = alternate({name: timed(work, device) for name, work in sides.items()}, self.repeats)
        middle = medians(raw)
        for name in self.variants:
            numbers = {
                "images/s": self.images / middle[name],
                "seconds of the first run": first[name],
                "largest difference of mIoU, points": _apart(tables[name], tables[THEIRS]),
            }
            pair = {key: raw[key] for key in (THEIRS, name)}
            yield figure(f"grid, {name}", "quotient", pair, at_least=GOAL, numbers=numbers)

    def _evaluation(
        self,
        name: str,
        model: LoadedModel,
        data: Dataset,
        device: str,
        tables: dict[str, dict[tuple[str, float], float]],
    ) -> Callable[[], None]:
        variant = VARIANTS[name]
        prepared, context = open_pair(
            _in_memory(model, variant, device),
            InMemory("street", data),
            self.images,
            PROTOCOLS.get("klingner2020"),
            device=device,
            batch_size=BATCH,
            **variant.options,
        )

        def work() -> None:
            tables[name] = _miou(context, prepared.plan)

        return work


class Held(Dataset):
    """The first frames of a data set in memory: reading them is no part of what is measured."""

    tasks = ("semantic",)

    def __init__(self, dataset: Dataset, count: int) -> None:
        self.name, self.classes = dataset.name, dataset.classes
        self.ids, self.groups = list(dataset.ids[:count]), list(dataset.groups[:count])
        self._samples = [dataset[i] for i in range(count)]

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]

    def fingerprint(self) -> str:
        return "held"


def _module(model: LoadedModel, variant: Variant, device: str) -> nn.Module:
    return copy.deepcopy(model.module).to(device=device, memory_format=variant.memory_format)  # type: ignore[call-overload,no-any-return]


def _in_memory(model: LoadedModel, variant: Variant, device: str) -> InMemory:
    """A copy of its own: compiling changes a module."""
    return InMemory(model.name, replace(model, module=_module(model, variant, device)))


def _autocast(forward: Callable[[Tensor], Tensor], precision: str, device: str) -> Callable[[Tensor], Tensor]:
    def cast(images: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            return forward(images)

    return cast


def _score(net: nn.Module, images: Tensor, labels: Tensor, classes: int) -> float:
    """MIoU of the images under the fp32 net."""
    with torch.no_grad():
        matrices = confusion(net(images).argmax(1), labels, classes).cpu().double().numpy()
    return _from_confusions([{"confusion": matrix} for matrix in matrices])


def _miou(context: WorkerContext, plan: Plan) -> dict[tuple[str, float], float]:
    """MIoU of every cell, through the evaluation's units."""
    cells: dict[tuple[str, float], list[Statistics]] = {}
    results: Sequence[SweepResult] = [
        result
        for work_item in plan.work_items(set())
        for result in work_on(context, work_item, read(context, work_item.images), Pictures())
    ]
    for configuration in results:
        attack = context.pair.configurations[configuration.configuration].attack
        for cell in configuration.cells:
            found = [unpack(image.statistics["semantic"]) for image in cell.images]
            cells.setdefault((attack, cell.epsilon or 0.0), []).extend(found)
    return {key: _from_confusions(statistics) for key, statistics in cells.items()}


def _from_confusions(statistics: Sequence[Statistics]) -> float:
    task = Semantic()
    values = task.values(statistics, np.ones((1, len(statistics))), task.scored(statistics))
    return float(values.overall["miou"][0])


def _apart(ours: Mapping[tuple[str, float], float], theirs: Mapping[tuple[str, float], float]) -> float:
    """The largest difference of a gradient or clean cell in points; noise is drawn otherwise on the two sides."""
    compared = [key for key in theirs if key[0] in ("clean", "fgsm", "pgd")]
    return max(100 * abs(ours[key] - theirs[key]) for key in compared)
