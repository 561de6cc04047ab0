"""One model on one data set in the store of a run: the numbers of every cell, and without some of their images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.registry import described
from robustbench_seg.results.jackknife import leave_out_weights
from robustbench_seg.results.keys import WORST, AttackConfiguration, CellKey
from robustbench_seg.results.manifest import PairManifest, RunManifest
from robustbench_seg.results.records import ImageResult
from robustbench_seg.results.rows import Row
from robustbench_seg.results.sample import ANY, Sample
from robustbench_seg.results.store import Store, StoredCell
from robustbench_seg.results.worst import NESTED, candidates, worst_cell
from robustbench_seg.tasks.base import Floats, Metric, Statistics, Task, Values
from robustbench_seg.tasks.registry import load_tasks

VALUE, CLEAN_VALUE, RATIO = "value", "clean", "ratio"
"""The quantities: the metric of a cell, that of the same images clean, and the retained performance Q."""

RATIOS = (0.0, math.inf)
"""Between these lies every Q."""

_KEPT = 16
"""So many values of cells are kept, one for each task."""


@dataclass(frozen=True)
class CellValues:
    """One task over the same images in one cell and clean: arrays (1+U,) over all, then with one set left out."""

    task: Task
    classes: Sequence[str]
    scored: npt.NDArray[np.bool_]
    perturbed: Values
    clean: Values
    n_images: int

    def sample(self, metric: str, quantity: str = RATIO, label: str = "") -> Sample:
        """Return a quantity of a metric of the task, over all classes or of the class `label`."""
        perturbed, clean = (self._numbers(values, metric, label) for values in (self.perturbed, self.clean))
        of_quantity = {VALUE: perturbed, CLEAN_VALUE: clean, RATIO: ratio(self.task.metric(metric), perturbed, clean)}
        numbers = of_quantity[quantity]
        return Sample(float(numbers[0]), numbers[1:], RATIOS if quantity == RATIO else ANY)

    def labels(self, metric: str) -> list[str]:
        """Return the classes that have a value of this metric."""
        has_classes = metric in self.perturbed.classes
        return [self.classes[i] for i in np.flatnonzero(self.scored).tolist() if has_classes]

    def _numbers(self, values: Values, metric: str, label: str) -> Floats:
        return values.classes[metric][:, self.classes.index(label)] if label else values.overall[metric]


@dataclass(frozen=True)
class CellFacts:
    """What is known of a cell beside its numbers.

    `images` are those that count in it; of these an attack `asked` for gradients at so many, so many were `reached` by
    one that was not zero, and so many `moved`. `digest` is equal for cells with equal results on the same images.
    """

    images: tuple[int, ...]
    asked: int
    reached: int
    moved: int
    digest: str

    @property
    def is_unreached(self) -> bool:
        """Whether no gradient that was asked for reached any image."""
        return self.asked > 0 and not self.reached


class PairResults:
    """One model on one data set in an open store; cells are read when they are asked for."""

    def __init__(self, store: Store, manifest: RunManifest, index: int) -> None:
        self.pair: PairManifest = manifest.pairs[index]
        self.store, self.manifest, self._index = store, manifest, index
        # Costly to choose, and asked for beside other cells.
        self._chosen = lru_cache(maxsize=_KEPT)(self._choose)
        # Cells are asked for one after another, each for all its tasks; most are over the same images as the others.
        self._stored = lru_cache(maxsize=1)(self._read)
        self._values = lru_cache(maxsize=_KEPT)(self._compare)
        self._clean_values = cache(self._compute_clean)
        # Small, and asked for again when cells are compared with one another.
        self.facts = cache(self._facts)
        self._ratio = cache(self._compute_ratio)

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """Load the tasks measured."""
        return load_tasks(self.pair.tasks, self.pair.parameters)

    @cached_property
    def clean(self) -> StoredCell:
        """Read what is stored of the clean images."""
        return self.store.cell(self._index, 0, 0)

    @cached_property
    def cells(self) -> Mapping[CellKey, tuple[int, int]]:
        """Where each cell of the manifest lies in the store: its configuration and its place in the grid."""
        return {
            configuration.key(self.pair.model, self.pair.dataset, *cell): (f, c)
            for f, configuration in enumerate(self.pair.configurations)
            for c, cell in enumerate(configuration.cells)
        }

    @cached_property
    def leave_out(self) -> tuple[Floats, str]:
        """Weights (U,n) of the images with one set of them left out in turn, and words on these sets."""
        return leave_out_weights(self.manifest.groups[self.pair.dataset])

    @property
    def n_images(self) -> int:
        """How many images the run has of the data set."""
        return len(self.manifest.groups[self.pair.dataset])

    def rows_of(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows that are of this model on this data set."""
        return [row for row in rows if (row.model, row.dataset) == (self.pair.model, self.pair.dataset)]

    def configuration(self, key: CellKey) -> AttackConfiguration:
        """Return the attack configuration of a cell."""
        return self.pair.configurations[self.cells[key][0]]

    def cost(self, key: CellKey) -> Cost:
        """Return what a cell cost."""
        return self.store.cost(self._index, *self.cells[key])

    def cell(self, key: CellKey) -> StoredCell:
        """Return what is stored of a cell, or what a worst case chose."""
        return self._stored(key)

    def results(self, key: CellKey) -> Sequence[ImageResult]:
        """Return every image stored of a cell."""
        return self.cell(key).results

    def counted(self, key: CellKey) -> list[ImageResult]:
        """Return the images that count in a cell: those that neither failed, there or clean, nor were skipped."""
        known = {result.image for result in self.clean.results if not result.error}
        return [r for r in self.results(key) if not r.error and not r.skipped and r.image in known]

    def ratios(self, keys: Sequence[CellKey], task: str) -> list[Sample]:
        """Return Q of the metric of a task's curve in several cells, over the images that count in all of them."""
        counted = [self.facts(key).images for key in keys]
        images = tuple(sorted(set.intersection(*map(set, counted))))
        return [self._ratio(key, task, images) for key in keys]

    def values(self, key: CellKey, task: Task, images: Sequence[int]) -> CellValues:
        """Return the numbers of a cell over these images. InputError where the task cannot compute them."""
        try:
            return self._values(key, task.name, tuple(images))
        except RobustsegError:
            raise
        except Exception as error:
            reason = described(error)
            raise InputError(f"task '{task.name}' cannot compute its metrics ({reason}); mend the task") from error

    def _compute_ratio(self, key: CellKey, task: str, images: tuple[int, ...]) -> Sample:
        if not images:
            return Sample(np.nan)
        return self.values(key, self.tasks[task], images).sample(self.tasks[task].curve)

    def _facts(self, key: CellKey) -> CellFacts:
        counted = self.counted(key)
        asked = [result for result in counted if result.reached is not None]
        cell = self.cell(key)
        digest = hashlib.sha256()
        for result in counted:
            digest.update(repr((result.rms, result.linf)).encode())
            for task in self.pair.tasks:
                for name, array in sorted(cell.statistics[task][result.image].items()):
                    digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        return CellFacts(
            tuple(result.image for result in counted),
            len(asked),
            sum(bool(result.reached) for result in asked),
            sum(not result.unchanged for result in counted),
            digest.hexdigest(),
        )

    def _read(self, key: CellKey) -> StoredCell:
        if key.is_clean:
            return self.clean
        is_worst = self.configuration(key).attack == WORST
        return self._chosen(key) if is_worst else self.store.cell(self._index, *self.cells[key])

    def _choose(self, key: CellKey) -> StoredCell:
        configuration = self.configuration(key)
        places = candidates(configuration, key.epsilon, self.pair.configurations, key.scored)
        cells = [self.store.cell(self._index, *place) for place in places]
        smaller = [e for e in configuration.epsilons if key.epsilon is not None and e is not None and e < key.epsilon]
        if configuration.norm == NESTED and smaller:
            # What was chosen together there is one more candidate, so that no curve rises.
            cells.append(self._chosen(replace(key, epsilon=max(smaller))))
        return worst_cell(cells, self.tasks[key.objective], bool(configuration.params.get("by_image", False)))

    def _compare(self, key: CellKey, name: str, images: tuple[int, ...]) -> CellValues:
        task = self.tasks[name]
        scored, clean = self._clean_values(name, images)
        perturbed = clean if key.is_clean else self._compute(task, self.cell(key), images, scored)
        return CellValues(task, self.pair.classes_of(name), scored, perturbed, clean, len(images))

    def _compute_clean(self, name: str, images: tuple[int, ...]) -> tuple[npt.NDArray[np.bool_], Values]:
        """Return the classes in the labels, and the clean values."""
        task = self.tasks[name]
        scored = task.scored([self.clean.statistics[name][i] for i in images])
        return scored, self._compute(task, self.clean, images, scored)

    def _compute(self, task: Task, cell: StoredCell, images: Sequence[int], scored: npt.NDArray[np.bool_]) -> Values:
        statistics: list[Statistics] = [cell.statistics[task.name][i] for i in images]
        weights, _ = self.leave_out
        whole = task.values(statistics, np.ones((1, len(images))), scored)
        others = task.values(statistics, weights[:, list(images)], scored)
        return Values(
            {name: np.concatenate([value, others.overall[name]]) for name, value in whole.overall.items()},
            {name: np.concatenate([value, others.classes[name]]) for name, value in whole.classes.items()},
        )


def ratio(metric: Metric, perturbed: Floats, clean: Floats) -> Floats:
    """The retained performance Q (Klingner 2020, eq. 10): perturbed/clean, inverted where lower is better.

    NaN where the metric has no direction or nothing is there to divide by.
    """
    if metric.higher_is_better is None:
        return np.full_like(perturbed, np.nan)
    top, bottom = (perturbed, clean) if metric.higher_is_better else (clean, perturbed)
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def pairs_of(store: Store) -> list[PairResults]:
    """Return every model and data set of a store, in its order."""
    manifest = RunManifest.from_json(store.read_manifest())
    return [PairResults(store, manifest, index) for index in range(len(manifest.pairs))]
