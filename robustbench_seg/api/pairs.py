"""Pairs of an image and its labels, as torch data sets give them, as a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.names import label_of
from robustbench_seg.tasks.registry import load_task

_ROUNDING = 1e-3
"""How far a float image may be outside [0,1]."""


@runtime_checkable
class PairData(Protocol):
    """What gives pairs of an image and its labels by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Pairs(Dataset):
    """Pairs by index; UsageError where they cannot be asked for so.

    Float images are rounded to 8 bits, as in files. Labels of segmentation are ids, void 255 or below 0.
    """

    name = "pairs"

    def __init__(
        self, source: object, tasks: Sequence[str], classes: ClassSet, own: Mapping[str, ClassSet] | None = None
    ) -> None:
        data = source.dataset if isinstance(source, DataLoader) else source
        if not isinstance(data, PairData):
            raise UsageError(
                f"a data set of type {type(data).__name__} has no length and items by number; give a name, a Dataset, "
                "a sequence of (image, labels), or a torch Dataset or DataLoader of these"
            )
        self._data = data
        self.classes, self.own_classes, self.tasks = classes, own or {}, tuple(tasks)
        self.ids = [f"{index:06d}" for index in range(len(data))]
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        """The pair as a sample; InputError where it is none."""
        pair = self._data[index]
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"item {index} is a {type(pair).__name__}, not a pair (image, labels)")
        image, given = pair
        named = given if isinstance(given, Mapping) else {self.tasks[0]: given}
        labels = {task: named[name] for task in self.tasks for name in (label_of(task), task) if name in named}
        lacking = [task for task in self.tasks if task not in labels]
        if lacking:
            raise InputError(f"item {index} has no labels of {', '.join(lacking)}; its keys: {', '.join(named)}")
        keys = {task: load_task(task).key for task in self.tasks}
        return Sample(
            self.ids[index],
            _image(image, f"item {index}"),
            {keys[task]: _label(labels[task], task, self.class_set(task), f"item {index}") for task in self.tasks},
        )

    def fingerprint(self) -> str:
        """Of every image and label."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for index in range(len(self)):
            sample = self[index]
            for array in (sample.image, *sample.labels.values()):
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def _image(value: object, where: str) -> npt.NDArray[np.uint8]:
    """An image as (H,W,3) uint8."""
    if isinstance(value, Image.Image):
        return np.array(value.convert("RGB"))
    array = value.numpy(force=True).transpose(1, 2, 0) if isinstance(value, Tensor) and value.dim() == 3 else value
    if not isinstance(array, np.ndarray) or array.ndim != 3 or array.shape[2] != 3:
        shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
        raise InputError(
            f"{where}: the image is a {type(value).__name__}{shape}; give PIL, a uint8 array (H,W,3) or a "
            "tensor (3,H,W)"
        )
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    if not np.issubdtype(array.dtype, np.floating) or not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
        raise InputError(
            f"{where}: the image has values from {low:.4g} to {high:.4g}; give it in [0,1] before normalisation, and "
            "the network's normalize="
        )
    rounded: npt.NDArray[np.uint8] = np.rint(255 * array.clip(0, 1)).astype(np.uint8)
    return rounded


def _label(value: object, task: str, classes: ClassSet, where: str) -> object:
    """A map in the form a data set gives it, ids of classes or numbers; anything else as it is."""
    made = load_task(task)
    array = value.numpy(force=True) if isinstance(value, Tensor) else value
    array = np.array(array) if isinstance(array, Image.Image) else array
    if not isinstance(made, DenseTask):
        return array
    if not isinstance(array, np.ndarray):
        raise InputError(f"{where}: labels of {task} are a {type(value).__name__}; give a tensor, an array or PIL")
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    return _ids(array, task, classes, where) if made.has_classes else array.astype(made.label_rule.dtype)


def _ids(array: npt.NDArray[Any], task: str, classes: ClassSet, where: str) -> npt.NDArray[np.uint8]:
    """Ids of classes; below 0, PyTorch's usual id of what does not count, becomes void."""
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{where}: labels of {task} are {array.dtype}; give whole numbers, void {VOID} or below 0")
    ids = np.where(array < 0, VOID, array)
    wrong = ids[(ids >= len(classes)) & (ids != VOID)]
    if wrong.size:
        raise InputError(
            f"{where}: labels of {task} have the id {wrong[0]}; {classes.name} has 0 to {len(classes) - 1}, void is "
            f"{VOID} or below 0"
        )
    return ids.astype(np.uint8)
