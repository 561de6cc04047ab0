"""What the benchmarks on a GPU share: the networks, frames in memory, the ways a model is run, and a budget of time."""

from __future__ import annotations

import copy
import functools
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.evaluation.candidates import chosen
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.plan import Plan
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.float32 import tf32
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import Protocol
from robustbench_seg.registry import described
from robustbench_seg.street.dataset import Street
from tests.bench.baseline_loop import Logits
from tests.bench.benchmark import Benchmark
from tests.bench.inside import open_pair
from tests.bench.record import Figure, figure
from tests.bench.subjects import Subject, Training, unet
from tests.bench.timing import Deadline, alternate, timed

THEIRS = "torchattacks"
WORK = Callable[[], Any]
_COMPILING_S = 30.0
TRAINING = Training(steps=150, batch=8, frames=12, crop=(256, 512))


@dataclass(frozen=True)
class Variant:
    """How the evaluation is asked to run a model: as it is, or with candidates of `--fast`."""

    candidates: tuple[str, ...] = ()
    plain: bool = False

    @property
    def is_strict(self) -> bool:
        """Whether gradients are computed in float32 throughout."""
        return not self.candidates

    @property
    def is_compiled(self) -> bool:
        """Whether it takes long to prepare."""
        return "compile" in self.candidates

    @property
    def seconds(self) -> float:
        """What it should have left to begin."""
        return _COMPILING_S if self.is_compiled else 0.0


VARIANTS = {
    "plain fp32": Variant(plain=True),
    "fp32": Variant(),
    "tf32": Variant(("tf32",)),
    "tf32 channels-last": Variant(("tf32", "channels-last")),
    "bf16": Variant(("bf16",)),
    "bf16 graphs": Variant(("bf16", "graphs")),
    "bf16 compiled": Variant(("bf16", "compile")),
    "bf16 compiled graphs": Variant(("bf16", "compile", "graphs")),
}


class Held(Dataset):
    """The first frames of a data set in memory, enlarged: reading them is no part of what is measured."""

    tasks = ("semantic",)

    def __init__(self, dataset: Dataset, count: int, by: int) -> None:
        self.name, self.classes = dataset.name, dataset.classes
        self.ids, self.groups = list(dataset.ids[:count]), list(dataset.groups[:count])
        self._samples = [_enlarged(dataset[i], by) for i in range(count)]

    def __getitem__(self, index: int) -> Sample:
        return self._samples[index]

    def fingerprint(self) -> str:
        return "held"


def _enlarged(sample: Sample, by: int) -> Sample:
    height, width = (by * side for side in sample.image.shape[:2])
    image = np.asarray(Image.fromarray(sample.image).resize((width, height), Image.Resampling.BILINEAR))
    labels = np.asarray(sample.labels["semantic"]).repeat(by, 0).repeat(by, 1)
    return Sample(sample.id, image, {"semantic": labels})


@functools.cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    """A folder for as long as the process lives."""
    return tempfile.TemporaryDirectory(prefix="robustseg-bench-")


@functools.cache
def subject(encoder: str, frame: tuple[int, int], training: Training, device: str) -> Subject:
    """The U-net on an encoder, trained once a process on frames of twice that size, in TF32."""
    folder = Path(_kept().name) / f"{encoder}-{len(list(Path(_kept().name).iterdir()))}"
    folder.mkdir()
    with tf32(True):
        return unet(Held(Street(split="train", size=frame), training.frames, 2), folder, training, device, encoder)


@dataclass(frozen=True)
class OnGPU(Benchmark):
    """Frames are rendered at the size `frame` and enlarged; a batch has as many as `pixels` hold.

    What does not fit into `budget` seconds is left out, and said. What takes long to prepare comes last.
    """

    devices: ClassVar[tuple[str, ...]] = ("cuda",)
    strict_goal: ClassVar[float]
    fast_goal: ClassVar[float]

    repeats: int = 3
    budget: float = 50.0
    encoder: str = "resnet18"
    frame: tuple[int, int] = (256, 512)
    enlarged: tuple[int, ...] = (2, 4)
    pixels: int = 8 * 512 * 1024
    variants: tuple[str, ...] = tuple(VARIANTS)
    training: Training = TRAINING

    def figures(self, device: str) -> Iterator[Figure]:
        """Speed-ups by size and variant, then the budget, with what it left out."""
        deadline, left_out = Deadline(self.budget), dict[str, str]()
        with tf32(False):
            spec = subject(self.encoder, self.frame, self.training, device).spec
            model = spec.load()
            sides = [self.side(model, by, device) for by in self.enlarged]
            for compiled in (False, True):
                names = [name for name in self.variants if VARIANTS[name].is_compiled is compiled]
                for side in sides if names else []:
                    yield from self._stage(side, names, deadline, left_out)
        yield figure("budget", "median", {"spent": [deadline.spent]}, at_most=self.budget, notes=left_out)

    @abstractmethod
    def side(self, model: LoadedModel, by: int, device: str) -> GPUSide:
        """What is compared at one size."""

    def _stage(
        self, side: GPUSide, names: Sequence[str], deadline: Deadline, left_out: dict[str, str]
    ) -> Iterator[Figure]:
        """Every variant is opened and run once, then all take turns."""
        works, first, seconds = dict[str, WORK](), dict[str, Any](), dict[str, float]()
        for name in names:
            begun = Deadline(0)
            try:
                if deadline.left < VARIANTS[name].seconds:
                    raise TimeoutError(f"it does not fit into the budget of {deadline.seconds:g} s any more")
                ours = side.ours(name)
                first |= {key: work() for key, work in ours.items()}
            except Exception as error:
                left_out[f"{name} at {side.size}"] = described(error)[:200]
                continue
            works |= ours
            seconds[name] = begun.spent
        if not works:
            return
        works, first[THEIRS] = {THEIRS: side.theirs, **works}, side.theirs()
        raw = alternate({key: timed(work, side.device) for key, work in works.items()}, self.repeats, 0, deadline)
        for name, opening in seconds.items():
            goal = self.strict_goal if VARIANTS[name].is_strict else self.fast_goal
            numbers = side.numbers(name, first) | {"seconds until it is warm": opening}
            yield from side.figures(name, raw, numbers, goal)


class GPUSide:
    """Both sides of a comparison at one size: a model on `images` frames in memory, in batches of `batch`."""

    def __init__(self, benchmark: OnGPU, model: LoadedModel, by: int, device: str) -> None:
        height, width = (by * side for side in benchmark.frame)
        self.size = f"{height}x{width}"
        self.device = device
        self.batch = max(1, benchmark.pixels // (height * width))
        self.model = model
        self.data = Held(Street(size=benchmark.frame), self.batch, by)
        self.plain = Logits(copy.deepcopy(model.module).to(device))

    def theirs(self) -> Any:
        """The work with torchattacks, in fp32."""
        raise NotImplementedError

    def ours(self, name: str) -> dict[str, WORK]:
        """The work in a variant under its name, and what else is timed beside it."""
        raise NotImplementedError

    def numbers(self, name: str, first: Mapping[str, Any]) -> dict[str, float]:
        """What a variant's first run gave, against theirs."""
        raise NotImplementedError

    def figures(
        self, name: str, raw: Mapping[str, Sequence[float]], numbers: dict[str, float], goal: float
    ) -> Iterator[Figure]:
        """By how many times it is faster."""
        pair = {key: raw[key] for key in (THEIRS, name)}
        per_second = self.batch / float(np.median(raw[name]))
        yield figure(
            f"{name}, {self.size}", "quotient", pair, at_least=goal, numbers={"images/s": per_second} | numbers
        )

    def opened(self, name: str, protocol: Protocol | None = None) -> tuple[Plan, WorkerContext]:
        """The pair as a worker opens it in a variant, on a copy of the model."""
        variant = VARIANTS[name]
        given = InMemory(self.model.name, replace(self.model, module=copy.deepcopy(self.model.module)))
        options = {"device": self.device, "batch_size": self.batch, "plain": variant.plain}
        prepared, context = open_pair(given, InMemory("street", self.data), self.batch, protocol, **options)
        if variant.candidates:
            (pair,) = prepared.plan.pairs
            context = prepared.workplace.opened(pair, chosen(prepared.execution, variant.candidates))
        return prepared.plan, context


def autocast(forward: Callable[[Tensor], Tensor], context: WorkerContext) -> Callable[[Tensor], Tensor]:
    """A forward in the precision that a context takes gradients in."""
    precision, device = context.execution.precision, torch.device(context.execution.device).type

    def cast(images: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            return forward(images)

    return cast
