"""What can be said of a task's labels before any model has seen them, counted image after image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import VOID
from robustbench_seg.registry import some

FEW = 10
"""A class of fewer pixels in all may be a slip of the brush."""
_SUSPICIOUS = 0.3
"""A share of depth out of range that suggests another unit: streets have some beyond 80 m."""


@dataclass(frozen=True)
class ClassCount:
    """How often a class was seen: elements (pixels or instances), and images that have one."""

    name: str
    elements: int
    images: int


class Survey:
    """What is counted of the labels of a task: by default in how many images there is one.

    `unit` is what `classes` counts.
    """

    unit: ClassVar[str] = "pixels"

    def __init__(self) -> None:
        self.images = 0
        self.without: list[str] = []
        """The images whose label says nothing."""

    def add(self, image: str, label: Any) -> None:
        """Count the label of an image, by its id."""
        self.images += 1
        if not self.count(label):
            self.without.append(image)

    def count(self, label: Any) -> bool:
        """Count a label; whether it says anything."""
        return True

    @property
    def summary(self) -> str:
        """All labels in a few words."""
        return f"{self.images} labels"

    @property
    def classes(self) -> Sequence[ClassCount]:
        """The classes in their order, also those never seen; empty for a task that has none."""
        return ()

    @property
    def numbers(self) -> Mapping[str, Any]:
        """What else was counted, for machines."""
        return {}

    @property
    def notes(self) -> list[str]:
        """What may be wrong with the labels, each in a line."""
        return [f"{_images(self.without)} no label at all"] if self.without else []

    def facts(self) -> dict[str, Any]:
        """Everything, for machines."""
        classes = [asdict(count) for count in self.classes]
        return {**self.numbers, "images_without": self.without, "unit": self.unit, "classes": classes}


class ClassSurvey(Survey):
    """Pixels (H,W) of ids by class, void 255."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names
        self._pixels = np.zeros(VOID + 1, np.int64)
        self._images = np.zeros(VOID + 1, np.int64)

    def count(self, label: Any) -> bool:
        """Count its pixels; whether one is not void."""
        pixels = np.bincount(np.asarray(label).ravel(), minlength=VOID + 1)
        self._pixels += pixels
        self._images += pixels > 0
        return bool(pixels[:VOID].any())

    @property
    def classes(self) -> list[ClassCount]:
        """Pixels and images."""
        return _counts(self._names, self._pixels, self._images)

    @property
    def numbers(self) -> Mapping[str, Any]:
        """The share of void."""
        return {"void": _share(int(self._pixels[VOID]), int(self._pixels.sum()))}

    @property
    def summary(self) -> str:
        """How many classes occur, and the share of void."""
        occurring = sum(count.elements > 0 for count in self.classes)
        return f"{occurring} of {len(self._names)} classes, {percent(self.numbers['void'])} void"

    @property
    def notes(self) -> list[str]:
        """Classes that do not occur or hardly do, ids that are no class, images that are all void."""
        stray = np.flatnonzero(self._pixels[len(self._names) : VOID]) + len(self._names)
        rare = [count.name for count in self.classes if 0 < count.elements < FEW]
        return [
            *super().notes,
            *absent(self.classes),
            *([f"fewer than {FEW} pixels in all: {some(rare)}"] if rare else []),
            *([f"ids {some(stray)} are neither a class nor void ({VOID})"] if len(stray) else []),
        ]


class RangeSurvey(Survey):
    """Values (H,W) above 0, of which those between `low` and `high` count in metrics; `symbol` is their unit."""

    def __init__(self, low: float, high: float, symbol: str) -> None:
        super().__init__()
        self._low, self._high, self._symbol = low, high, symbol
        self._pixels = self._known = self._counting = 0
        self._ends = (np.inf, -np.inf)
        self._medians: list[float] = []

    def count(self, label: Any) -> bool:
        """Count its values; whether there is one."""
        values = np.asarray(label)
        known = values[values > 0]
        self._pixels += values.size
        if not known.size:
            return False
        self._known += known.size
        self._counting += int(((known > self._low) & (known < self._high)).sum())
        self._ends = min(self._ends[0], float(known.min())), max(self._ends[1], float(known.max()))
        self._medians.append(float(np.median(known)))
        return True

    @property
    def numbers(self) -> Mapping[str, Any]:
        """The share of pixels with a value, the least and the largest, and the median of the images' medians."""
        if not self._known:
            return {"known": 0.0}
        low, high = self._ends
        known = _share(self._known, self._pixels)
        return {"known": known, "minimum": low, "maximum": high, "median": float(np.median(self._medians))}

    @property
    def summary(self) -> str:
        """The same in words."""
        numbers = self.numbers
        if not self._known:
            return "no pixel has a value"
        low, high, median = (_short(numbers[name]) for name in ("minimum", "maximum", "median"))
        known = percent(numbers["known"])
        return f"{low} to {high} {self._symbol}, median {median} {self._symbol}, known at {known} of the pixels"

    @property
    def notes(self) -> list[str]:
        """Values that do not count."""
        lost = 1 - _share(self._counting, self._known) if self._known else 0.0
        span = f"{self._low:g} to {self._high:g} {self._symbol}"
        text = f"{percent(lost)} of the values lie outside {span} and do not count; is the unit right?"
        return [*super().notes, *([text] if lost > _SUSPICIOUS else [])]


class VectorSurvey(Survey):
    """Vectors (3,H,W), 0 where there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._pixels = self._known = 0

    def count(self, label: Any) -> bool:
        """Count its vectors; whether there is one."""
        known = np.asarray(label).any(0)
        self._pixels += known.size
        self._known += int(known.sum())
        return bool(known.any())

    @property
    def numbers(self) -> Mapping[str, Any]:
        """The share of pixels with a vector."""
        return {"known": _share(self._known, self._pixels)}

    @property
    def summary(self) -> str:
        """The same in words."""
        return f"known at {percent(self.numbers['known'])} of the pixels"


class InstanceSurvey(Survey):
    """Instances by class: a mapping with `labels` (K,) ids and `boxes` (K,4) xyxy px, as in a `Sample`; no crowds."""

    unit = "instances"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names
        self._instances = np.zeros(VOID + 1, np.int64)
        self._images = np.zeros(VOID + 1, np.int64)
        self._flat = self._crowded = 0

    def count(self, label: Any) -> bool:
        """Count its instances; whether there is one, or a crowd."""
        labels = np.asarray(label["labels"], np.int64)
        alone = ~np.asarray(label.get("crowd", np.zeros(len(labels))), np.bool_)
        counts = np.bincount(labels[alone], minlength=VOID + 1)
        boxes = np.asarray(label["boxes"]).reshape(-1, 4)[alone]
        self._instances += counts
        self._images += counts > 0
        self._flat += int((boxes[:, 2:] <= boxes[:, :2]).any(1).sum())
        has_one = bool(counts[:VOID].any())
        self._crowded += not has_one and not alone.all()
        return has_one or not alone.all()

    @property
    def classes(self) -> list[ClassCount]:
        """Instances and images of the classes that occur: of others there need be no instances."""
        return [count for count in _counts(self._names, self._instances, self._images) if count.elements]

    @property
    def summary(self) -> str:
        """How many instances there are, of how many classes."""
        total = sum(count.elements for count in self.classes)
        in_each = total / max(self.images, 1)
        of_all = f"{total} instance{'' if total == 1 else 's'}"
        return f"{of_all}, {in_each:.1f} in an image, of {len(self.classes)} of {len(self._names)} classes"

    @property
    def notes(self) -> list[str]:
        """Images without instances, or with crowds alone, and boxes without area."""
        return [
            *super().notes,
            *([f"images with no instance but crowds: {self._crowded}"] if self._crowded else []),
            *([f"{self._flat} of the boxes have no area"] if self._flat else []),
        ]


def absent(classes: Iterable[ClassCount]) -> list[str]:
    """A note on the classes that do not occur, where there are some."""
    names = [count.name for count in classes if not count.elements]
    return [f"never seen: {some(names, 12)}"] if names else []


def percent(share: float) -> str:
    """A share as text: a little is not nothing, and nearly all not all."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < share < 1 else f"{100 * share:.1f} %"


def _images(names: Sequence[str]) -> str:
    return f"{names[0]} has" if len(names) == 1 else f"{len(names)} images have ({some(names)})"


def _counts(names: Sequence[str], elements: npt.NDArray[np.int64], images: npt.NDArray[np.int64]) -> list[ClassCount]:
    return [ClassCount(name, int(elements[i]), int(images[i])) for i, name in enumerate(names)]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
