"""What several runs measured: samples of any number in their stores, paired over cells, models and runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import NamedTuple

from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.merge import model_names
from robustbench_seg.results.pair import RATIO, CellValues, PairResults, Sample, pairs_of
from robustbench_seg.results.run import STORE, Run
from robustbench_seg.results.store import Store


@dataclass(frozen=True)
class Unpaired:
    """Why cells cannot be compared image by image; whether they are at least the same measurement."""

    reason: str
    is_same_measurement: bool


class _Source(NamedTuple):
    """One model on one data set of a run; `fingerprint` is of the data set, as in run.json."""

    results: PairResults
    fingerprint: str


_Place = tuple[_Source, CellKey]
"""A cell in its store, where the model has the name that its own run gives it."""


class Measurements:
    """The stores of several runs, opened once and read lazily; usable as a context manager.

    In keys a model has the name that it has among all runs (see `merge.model_names`). What has no store any more has no
    samples.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._stack = ExitStack()
        self._sources: dict[tuple[str, str], _Source] = {}
        with ExitStack() as stack:
            for run, shown in zip(runs, model_names(runs), strict=True):
                if (run.folder / STORE).is_file():
                    self._open(stack, run, shown)
            self._stack = stack.pop_all()

    def __enter__(self) -> Measurements:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def sample(self, key: CellKey, task: str, metric: str, quantity: str = RATIO, label: str = "") -> Sample | None:
        """A number of one cell over the images that count in it; None where no store has it.

        Every cell of a data set in a run sees the same bootstrap samples of the same images, so values at one index may
        be subtracted.
        """
        found = self.paired([key], task)
        return None if isinstance(found, Unpaired) or not found else found[0].sample(metric, quantity, label)

    def paired(self, keys: Sequence[CellKey], task: str) -> list[CellValues] | Unpaired:
        """The numbers of cells in a task, all over the images that count in every one, under the same samples of them.

        Empty where no image counts in all; the reason where the cells cannot be paired.
        """
        for key in keys:
            if lacking := self._lacking(key, task):
                return Unpaired(lacking, is_same_measurement=True)
        places = [self._place(key) for key in keys]
        for reason, differ in _CHECKS:
            if differ(places, task):
                return Unpaired(reason, is_same_measurement=False)
        counted = [{result.image for result in source.results.counted(key)} for source, key in places]
        images = sorted(set.intersection(*counted))
        if not images:
            return []
        return [source.results.values(key, source.results.tasks[task], images) for source, key in places]

    def _open(self, stack: ExitStack, run: Run, shown: Mapping[str, str]) -> None:
        store = stack.enter_context(Store(run.folder / STORE, create=False))
        prints = {data["name"]: str(data.get("fingerprint")) for data in run.info.get("datasets", [])}
        for results in pairs_of(store):
            model, dataset = results.pair.model, results.pair.dataset
            if model in shown:
                self._sources[shown[model], dataset] = _Source(results, prints.get(dataset, ""))

    def _lacking(self, key: CellKey, task: str) -> str:
        """Why no store has this cell and task; empty where one does."""
        if (key.model, key.dataset) not in self._sources:
            return f"the run of {key.model} has no store any more"
        source, own = self._place(key)
        known = own in source.results.cells and task in source.results.tasks
        return "" if known else f"the store of {key.model} lacks a cell"

    def _place(self, key: CellKey) -> _Place:
        source = self._sources[key.model, key.dataset]
        return source, replace(key, model=source.results.pair.model)


def _differ(of: Callable[[_Place, str], object]) -> Callable[[Sequence[_Place], str], bool]:
    return lambda places, task: any(of(place, task) != of(places[0], task) for place in places)


def _images(place: _Place, task: str) -> object:
    source, key = place
    return list(source.results.manifest.ids[key.dataset]), source.fingerprint


def _groups(place: _Place, task: str) -> object:
    source, key = place
    return list(source.results.manifest.groups[key.dataset])


def _seed(place: _Place, task: str) -> object:
    return place[0].results.manifest.seed


def _classes(place: _Place, task: str) -> object:
    results = place[0].results
    return tuple(results.pair.classes) if results.tasks[task].has_classes else ()


def _parameters_differ(places: Sequence[_Place], task: str) -> bool:
    """Whether one perturbation was made with several sets of parameters."""
    configurations = [source.results.configuration(key) for source, key in places]
    return len({(one.label, one.objective, one.norm) for one in configurations}) < len(
        {(one.label, one.objective, one.norm, one.digest) for one in configurations}
    )


_CHECKS: tuple[tuple[str, Callable[[Sequence[_Place], str], bool]], ...] = (
    ("they were measured on other images", _differ(_images)),
    ("their images are grouped otherwise", _differ(_groups)),
    ("their runs have other seeds", _differ(_seed)),
    ("they were scored in other classes", _differ(_classes)),
    ("the attack had other parameters", _parameters_differ),
)
