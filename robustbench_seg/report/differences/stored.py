"""Numbers of several models in one cell over the images that count in all of them, under the same resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from robustbench_seg.report.differences.numbers import RATIO, VALUE, Item, Number, Numbers, Place
from robustbench_seg.report.differences.sources import Source
from robustbench_seg.report.relationships.contrast import Floats
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.store import StoredCell
from robustbench_seg.results.tables import ratio, used_results
from robustbench_seg.tasks.base import Metric, Task

_DIRECTIONS = {True: "higher", False: "lower"}


class StoredPlace:
    """One cell in the stores of several models; each model's is read once, when it is first asked for."""

    def __init__(self, place: Place, sources: Mapping[str, Source]) -> None:
        self._place, self._sources = place, sources
        self._cells: dict[str, StoredCell] = {}
        self._known: dict[tuple[str, str, tuple[int, ...]], Numbers] = {}

    def numbers(self, models: Sequence[str], task: str) -> dict[str, Numbers]:
        """The numbers of these models in a task over the same images; nothing where no image counts in all."""
        used = self._used(models)
        return {model: self._numbers(model, task, used) for model in models} if used else {}

    def _cell(self, model: str) -> StoredCell:
        if model not in self._cells:
            self._cells[model] = self._sources[model].cell(self._place)
        return self._cells[model]

    def _used(self, models: Sequence[str]) -> tuple[int, ...]:
        """The images that neither failed nor were skipped for any of the models, here or clean."""
        used = [
            {result.image for result in used_results(self._cell(model), self._sources[model].reference.clean)}
            for model in models
        ]
        return tuple(sorted(set.intersection(*used)))

    def _numbers(self, model: str, name: str, used: tuple[int, ...]) -> Numbers:
        key = model, name, used
        if key not in self._known:
            task = self._sources[model].tasks[name]
            clean = self._clean(model, task, used)
            attacked = None if self._place.attack == CLEAN else self._attacked(model, task, used)
            self._known[key] = _measured(task, clean, attacked)
        return self._known[key]

    def _clean(self, model: str, task: Task, used: tuple[int, ...]) -> dict[str, Floats]:
        """(1+R,) a metric: over the images, then under each resample."""
        _, values, resampled = self._sources[model].reference.values(task, used)
        return {name: np.concatenate([values.overall[name], resampled.overall[name]]) for name in values.overall}

    def _attacked(self, model: str, task: Task, used: tuple[int, ...]) -> Mapping[str, Floats]:
        """(1+R,) a metric, as `_clean`."""
        reference = self._sources[model].reference
        scored, _, _ = reference.values(task, used)
        weights = np.concatenate([np.ones((1, len(used))), reference.resamples(task, used)])
        statistics = [self._cell(model).statistics[task.name][image] for image in used]
        return task.values(statistics, weights, scored).overall


def _measured(task: Task, clean: Mapping[str, Floats], attacked: Mapping[str, Floats] | None) -> Numbers:
    """The value of every metric that has a direction, and its Q where the cell is not the clean one."""
    found: Numbers = {}
    for metric in task.metrics:
        if metric.higher_is_better is None:
            continue
        found[_item(metric, VALUE)] = _number((clean if attacked is None else attacked)[metric.name])
        if attacked is not None:
            found[_item(metric, RATIO)] = _number(ratio(metric, attacked[metric.name], clean[metric.name]))
    return found


def _item(metric: Metric, quantity: str) -> Item:
    return Item(metric.name, _DIRECTIONS[bool(metric.higher_is_better)], quantity)


def _number(found: Floats) -> Number:
    return Number(float(found[0]), found[1:])
