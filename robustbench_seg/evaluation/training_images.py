"""The images that fitted attacks are fitted on: the first of a data set's train split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.evaluation.spec import DataSpec, InMemory
from robustbench_seg.registry import described

TRAIN = "train"


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """The first samples of a train split, with their indices in it; `digest` is that of their images and labels."""

    dataset: Dataset
    samples: Sequence[tuple[int, Sample]]
    digest: str

    def __len__(self) -> int:
        return len(self.samples)


def training_images(spec: DataSpec | InMemory, evaluated: Dataset, count: int) -> TrainingImages:
    """The first `count` images of the train split of a data set, or all where there are fewer.

    UsageError where it has no train split or that is what is evaluated; InputError where an image cannot be read or has
    another size than the first.
    """
    dataset = _opened(spec)
    samples = [(index, _read(dataset, index)) for index in range(min(count, len(dataset)))]
    if not samples:
        raise InputError(f"the train split of {dataset.name} is empty, so that nothing can be fitted on it")
    _refuse_evaluated(dataset, samples[0][1], evaluated)
    shape = samples[0][1].image.shape
    for _, sample in samples:
        if sample.image.shape != shape:
            (height, width), (h, w) = shape[:2], sample.image.shape[:2]
            raise InputError(
                f"{dataset.name}, train: '{sample.id}' is {h} x {w}, '{samples[0][1].id}' is {height} x {width}; "
                "what is fitted needs images of one size"
            )
    return TrainingImages(dataset, samples, _digest(sample for _, sample in samples))


def _opened(spec: DataSpec | InMemory) -> Dataset:
    if isinstance(spec, InMemory):
        raise UsageError(
            f"data set '{spec.name}' is in memory, so that its train split is not known; "
            "give one by name, or leave out what is fitted on a train split"
        )
    try:
        return replace(spec, split=TRAIN).load()
    except RobustsegError as error:
        raise UsageError(
            f"the protocol has attacks that are fitted on the train split of {spec.name}: {error}"
        ) from error


def _read(dataset: Dataset, index: int) -> Sample:
    try:
        return dataset[index]
    except RobustsegError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{dataset.name}, train, image {index} cannot be read: {described(error)}") from error


def _refuse_evaluated(dataset: Dataset, first: Sample, evaluated: Dataset) -> None:
    same_names = list(dataset.ids) == list(evaluated.ids)
    if same_names and np.array_equal(first.image, _read(evaluated, 0).image):
        raise UsageError(
            f"the images of {evaluated.name} that are evaluated are its train split, which attacks are fitted on; "
            "give another --split, or a data set that has one"
        )


def _digest(samples: Iterator[Sample]) -> str:
    whole = hashlib.sha256()
    for sample in samples:
        for part in _parts({"id": sample.id, "image": sample.image, "labels": sample.labels}):
            whole.update(part)
    return whole.hexdigest()


def _parts(value: object) -> Iterator[bytes]:
    """What a sample holds as bytes, in the order of names."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield f"{key}\0".encode()
            yield from _parts(value[key])
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}\0".encode()
        yield np.ascontiguousarray(value).tobytes()
    else:
        yield f"{value}\0".encode()
