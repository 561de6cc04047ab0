"""Two groups in one cell and task: which of their models were measured there, and the differences of their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.report.differences.difference import Difference
from robustbench_seg.report.differences.groups import Group
from robustbench_seg.report.differences.numbers import Item, Number, Numbers, Place, tabled
from robustbench_seg.report.differences.seeds import from_seeds
from robustbench_seg.report.relationships.contrast import Floats
from robustbench_seg.report.rows import Row
from robustbench_seg.results.bootstrap import interval

_Ends = tuple[float | None, float | None]
_NONE: _Ends = (None, None)


@dataclass(frozen=True)
class Meeting:
    """Groups A (`first`) and B (`second`); `rows` are those of summary.csv in this cell and task, by model."""

    first: Group
    second: Group
    place: Place
    task: str
    rows: Mapping[str, Sequence[Row]]

    @property
    def models(self) -> list[str]:
        """The models of both groups that were measured here."""
        return [*self._there(self.first), *self._there(self.second)]

    @property
    def takes_place(self) -> bool:
        """Whether a model of each group was measured here."""
        return bool(self._there(self.first) and self._there(self.second))

    @property
    def is_whole(self) -> bool:
        """Whether no image failed and all models have the same number of images, as far as the tables tell."""
        known = [row for model in self.models for row in self.rows[model]]
        return not any(row.failed for row in known) and len({row.n_images for row in known}) == 1

    @property
    def title(self) -> str:
        """Who meets where."""
        return f"{self.first.name} and {self.second.name} on {self.place.dataset}"

    def tabled(self) -> dict[str, Numbers]:
        """The numbers of the models as summary.csv has them."""
        return {model: tabled(self.rows[model]) for model in self.models}

    def differences(self, numbers: Mapping[str, Numbers], with_seeds: bool = True) -> list[Difference]:
        """A difference for every item that a model of each group has a value of."""
        sides = [
            [numbers[model] for model in self._there(group) if model in numbers] for group in (self.first, self.second)
        ]
        found = []
        for item in dict.fromkeys(item for side in sides for one in side for item in one):
            a, b = (_known(side, item) for side in sides)
            if a and b:
                found.append(self._difference(item, a, b, with_seeds))
        return found

    def _there(self, group: Group) -> list[str]:
        return [model for model in group.models if model in self.rows]

    def _difference(self, item: Item, a: Sequence[Number], b: Sequence[Number], with_seeds: bool) -> Difference:
        of_a, of_b = ([number.value for number in side] for side in (a, b))
        mean_a, mean_b = float(np.mean(of_a)), float(np.mean(of_b))
        image_low, image_high = _from_images(a, b)
        seed_low, seed_high = (from_seeds(of_a, of_b) if with_seeds else None) or _NONE
        return Difference(
            first=self.first.name,
            second=self.second.name,
            **self.place._asdict(),
            task=self.task,
            **item._asdict(),
            a=mean_a,
            b=mean_b,
            difference=mean_b - mean_a,
            image_low=image_low,
            image_high=image_high,
            seed_low=seed_low,
            seed_high=seed_high,
            seeds_a=len(a),
            seeds_b=len(b),
        )


def _known(side: Sequence[Numbers], item: Item) -> list[Number]:
    return [one[item] for one in side if item in one and np.isfinite(one[item].value)]


def _from_images(a: Sequence[Number], b: Sequence[Number]) -> _Ends:
    """The central 95 % of the differences of the means under each resample."""
    means = [_mean_samples(side) for side in (a, b)]
    if means[0] is None or means[1] is None:
        return _NONE
    low, high = interval(means[1] - means[0])
    return (low, high) if np.isfinite(low) else _NONE


def _mean_samples(side: Sequence[Number]) -> Floats | None:
    samples = [number.samples for number in side if number.samples is not None]
    return np.mean(samples, axis=0) if len(samples) == len(side) else None
