"""What the run of a study measured, small enough to be kept: numbers, with what their intervals are made of."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from robustbench_seg.results.files import write_table
from robustbench_seg.results.names import curve_metric
from robustbench_seg.results.pair import VALUE, PairResults, pairs_of
from robustbench_seg.results.run import STORE
from robustbench_seg.results.sample import Sample
from robustbench_seg.results.store import Store

SAMPLES = "samples.csv"


class Images(Enum):
    """Which images a number is over."""

    ALL, FIRST_HALF, SECOND_HALF = "all", "first half", "second half"

    def of(self, count: int) -> range:
        """Their places among all of them."""
        half = count // 2
        ends = {Images.ALL: (0, count), Images.FIRST_HALF: (0, half), Images.SECOND_HALF: (half, count)}
        return range(*ends[self])


class Place(NamedTuple):
    """Of a task under an attack on itself, at an epsilon in units of 1/255, over some images."""

    task: str
    attack: str
    epsilon: float
    images: Images = Images.ALL


@dataclass(frozen=True)
class Sampled:
    """The metrics that Q is drawn of, of one model in a run over `n_images` images."""

    model: str
    n_images: int
    samples: Mapping[Place, Sample]

    def at(self, task: str, attack: str, epsilon: float, images: Images = Images.ALL) -> Sample:
        """A number with its interval."""
        return self.samples[Place(task, attack, epsilon, images)]

    def epsilons(self, task: str, attack: str) -> list[float]:
        """Where a task was measured under an attack."""
        return [place.epsilon for place in self.samples if place == Place(task, attack, place.epsilon)]

    @property
    def tasks(self) -> list[str]:
        """The tasks that were attacked."""
        return list(dict.fromkeys(place.task for place in self.samples))


def write_samples(folder: Path) -> None:
    """Write samples.csv beside the store of a run of one model on one data set."""
    with Store(folder / STORE, create=False) as store:
        (pair,) = pairs_of(store)
        rows = [
            {
                **place._asdict(),
                "images": place.images.value,
                "n_images": pair.n_images,
                "value": repr(sample.value),
                "left_out": " ".join(map(repr, [] if sample.left_out is None else sample.left_out.tolist())),
            }
            for place, sample in _samples(pair)
        ]
    write_table(pd.DataFrame(rows).assign(model=pair.pair.model), folder / SAMPLES)


def read_samples(path: Path) -> Sampled:
    """The numbers of a file that `write_samples` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    samples = {
        Place(row["task"], row["attack"], float(row["epsilon"]), Images(row["images"])): Sample(
            float(row["value"]), np.array(row["left_out"].split(), float) if row["left_out"] else None
        )
        for row in rows
    }
    return Sampled(rows[0]["model"], int(rows[0]["n_images"]), samples)


def _samples(pair: PairResults) -> Iterator[tuple[Place, Sample]]:
    for key in pair.cells:
        if key.objective not in pair.tasks or not key.epsilon:
            continue
        for images in Images:
            wanted = images.of(pair.n_images)
            counted = [result.image for result in pair.counted(key) if result.image in wanted]
            sample = pair.values(key, pair.tasks[key.objective], counted).sample(curve_metric(key.objective), VALUE)
            yield Place(key.objective, key.attack, key.epsilon, images), sample
