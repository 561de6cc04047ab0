"""What several runs measured: samples of any number in their stores, paired over cells, models and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple

from robustbench_seg.results.keys import WORST, CellKey
from robustbench_seg.results.merge import model_names
from robustbench_seg.results.pair import RATIO, CellValues, PairResults, pairs_of
from robustbench_seg.results.run import STORE, Run
from robustbench_seg.results.sample import Sample
from robustbench_seg.results.store import Store
from robustbench_seg.results.worst import candidates


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


class Measurements(AbstractContextManager["Measurements"]):
    """The stores of several runs, opened once and read lazily; a context manager.

    In keys a model has the name that it has among all runs (see `merge.model_names`). A run without a store has no
    samples.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._sources: dict[tuple[str, str], _Source] = {}
        with ExitStack() as stack:
            for run, shown in zip(runs, model_names(runs), strict=True):
                if (run.folder / STORE).is_file():
                    self._open(stack.enter_context(Store(run.folder / STORE, create=False)), run, shown)
            self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def sample(self, key: CellKey, task: str, metric: str, quantity: str = RATIO, label: str = "") -> Sample | None:
        """A number of one cell over the images that count in it; None where no store has it.

        Every cell of a data set in a run leaves out the same sets of images in the same order, so samples may be
        subtracted.
        """
        paired = self.paired([key], task)
        return None if isinstance(paired, Unpaired) or not paired else paired[0].sample(metric, quantity, label)

    def paired(self, keys: Sequence[CellKey], task: str) -> list[CellValues] | Unpaired:
        """The numbers of cells in a task, all over the images that count in every one, under the same samples of them.

        Empty where no image counts in all; the reason where the cells cannot be paired.
        """
        return self.paired_in_tasks([(key, task) for key in keys])

    def paired_in_tasks(self, wanted: Sequence[tuple[CellKey, str]]) -> list[CellValues] | Unpaired:
        """The same where each cell is wanted in a task of its own."""
        for key, task in wanted:
            if lacking := self._lacking(key, task):
                return Unpaired(lacking, is_same_measurement=True)
        places = [(self._place(key), task) for key, task in wanted]
        if reason := _obstacle(places):
            return Unpaired(reason, is_same_measurement=False)
        counted = [{result.image for result in source.results.counted(key)} for (source, key), _ in places]
        images = sorted(set.intersection(*counted))
        return [
            source.results.values(key, source.results.tasks[task], images) for (source, key), task in places if images
        ]

    def _open(self, store: Store, run: Run, shown: Mapping[str, str]) -> None:
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


def _obstacle(wanted: Sequence[tuple[_Place, str]]) -> str:
    """Why the cells cannot be paired; empty where they can."""
    conditions = [_conditions(place, task) for place, task in wanted]
    for reason in conditions[0]:
        first, *others = [known[reason] for known in conditions if known[reason] is not None] or [None]
        if any(other != first for other in others):
            return reason
    places = [place for place, _ in wanted]
    configurations = [source.results.configuration(key) for source, key in places]
    perturbations = {(made.label, made.objective, made.norm) for made in configurations}
    made_with = {(made.label, made.objective, made.norm, made.digest) for made in configurations}
    if len(perturbations) < len(made_with):
        return "the attack had other parameters"
    worst = [place for place in places if place[0].results.configuration(place[1]).attack == WORST]
    cells = {replace(key, model="") for _, key in worst}
    chosen_from = {(replace(key, model=""), _attacks(source.results, key)) for source, key in worst}
    return "the worst case is over other attacks" if len(cells) < len(chosen_from) else ""


def _attacks(results: PairResults, key: CellKey) -> frozenset[tuple[str, str]]:
    """The attacks that a worst case may choose from, with digests of their parameters."""
    configurations = results.pair.configurations
    places = candidates(results.configuration(key), key.epsilon, configurations, key.scored)
    return frozenset((configurations[at].label, configurations[at].digest) for at, _ in places)


def _conditions(place: _Place, task: str) -> dict[str, object]:
    """What cells must share to be paired, by the reason to give where they do not; None where a task does not ask."""
    (results, fingerprint), key = place
    manifest = results.manifest
    return {
        "they were measured on other images": (list(manifest.ids[key.dataset]), fingerprint),
        "their images are grouped otherwise": list(manifest.groups[key.dataset]),
        "their runs have other seeds": manifest.seed,
        "their task had other parameters": results.pair.parameters.get(task, {}),
        "they were scored in other classes": results.pair.classes_of(task) if results.tasks[task].has_classes else None,
    }
