"""An evaluation on paper: its plan, and what it would cost, from what is declared alone, without images or weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from torch import nn

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.data.cityscapes import Cityscapes
from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.estimate import Estimate, PairCost, estimate
from robustbench_seg.evaluation.plan import Plan, plan_pair
from robustbench_seg.evaluation.probing import check_work
from robustbench_seg.evaluation.size import Size
from robustbench_seg.evaluation.timing import Timing
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.tasks.registry import load_tasks
from tests.bench.ready import bytes_of_a_result

TASKS = ("semantic", "depth")
FORWARD_S = 0.38462
GRADIENT_FORWARDS = 2.2
SCORE_S = 0.02
ASSUMED = (
    "a GPU is taken to need 385 ms for a forward (published: deeplabv3plus_r101-d8_512x1024_40k_cityscapes, a "
    "ResNet-101, on a V100 in fp32, in configs/deeplabv3plus/deeplabv3plus.yml of mmsegmentation 0.30.0, which tests "
    "whole images one at a time), 2.2 forwards for a gradient (measured: torchvision's deeplabv3_resnet101 on a CPU) "
    "and 20 ms for a score (a guess)"
)
FILE_BYTES = 2.2e6, 0.7e6
"""Of an image and of its disparity: the archives of 11 GB and 3.5 GB hold 5000 frames; labels weigh next to nothing."""
PICTURE_BYTES = 5.7
"""Of all pictures of an image in a cell, by its pixels, as `measure_size` finds on `street` at 512×1024."""


class Declared(Dataset):
    """The images of Cityscapes by their number alone."""

    name = Cityscapes.name
    classes = Cityscapes.classes
    tasks = TASKS

    def __init__(self, count: int) -> None:
        self.ids = [f"{index:04d}" for index in range(count)]
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return "declared"


@dataclass(frozen=True)
class Paper:
    """A protocol on so many models of both tasks and images of `size` (H,W), `batch` at a time."""

    protocol: str
    models: int
    images: int
    size: tuple[int, int]
    batch: int
    timing: Timing

    @cached_property
    def plan(self) -> Plan:
        """As the evaluation would make it."""
        data, protocol = Declared(self.images), PROTOCOLS.get(self.protocol)
        named = (f"model-{index:02d}" for index in range(self.models))
        models = [LoadedModel(name, nn.Identity(), TASKS, data.classes, "none", "", "paper") for name in named]
        pairs = [plan_pair((index, 0), model, data, protocol, None, None)[0] for index, model in enumerate(models)]
        return Plan(tuple(pair for pair in pairs if pair is not None), self.batch, 0, 1, "fp32")

    @cached_property
    def cost(self) -> PairCost:
        """Of a pair: all are alike. Nothing is fitted in the protocols at hand."""
        pair = self.plan.pairs[0]
        attacks = [ConfiguredAttack(configuration, load_tasks(pair.tasks)) for configuration in pair.configurations]
        return PairCost(attacks, self.timing, self.size_in_store, True, {}, partial(check_work, pair, self.batch))

    @property
    def size_in_store(self) -> Size:
        """Of an image in a cell."""
        return Size(bytes_of_a_result(self.plan)[1], PICTURE_BYTES * math.prod(self.size))

    def estimate(self, workers: int) -> Estimate:
        """What so many workers would take."""
        return estimate(self.plan, [self.cost] * self.models, frozenset(), workers, frozenset())

    @property
    def results(self) -> int:
        """How many images in cells there are in all."""
        return self.models * self.images * self.cells

    @property
    def cells(self) -> int:
        """How many cells a model has; the worst cases are not among them, which come from the store."""
        return sum(len(self.plan.pairs[0].configurations[index].cells) for index in self.plan.pairs[0].to_run)

    def results_per_second(self, workers: int) -> float:
        """How many images in cells so many workers score in a second."""
        return workers * self.cells / self.cost.seconds(self.plan.pairs[0].to_run)

    def bytes_to_devices(self) -> float:
        """Images as bytes and the labels of both tasks, once for each model."""
        labels: Sequence[np.ndarray] = (np.zeros(self.size, np.uint8), np.zeros(self.size, np.float32))
        tasks = load_tasks(TASKS).values()
        batches = [task.batch_labels([label], None) for task, label in zip(tasks, labels, strict=True)]
        return self.models * self.images * (3 * math.prod(self.size) + sum(batch.nbytes for batch in batches))

    def bytes_from_workers(self) -> float:
        """Results, and the pictures that some have."""
        pictures = len(self.plan.drawn) * len(self.plan.pairs[0].to_run) * self.size_in_store.pictures
        return self.results * bytes_of_a_result(self.plan)[0] + self.models * pictures

    def bytes_read(self) -> float:
        """Files of images and of disparity, once for each model."""
        return self.models * self.images * sum(FILE_BYTES)


def card(forward: float = FORWARD_S, gradient_forwards: float = GRADIENT_FORWARDS, score: float = SCORE_S) -> Timing:
    """Seconds that a GPU is taken to need."""
    return Timing(forward, gradient_forwards * forward, score)
