"""The stores that the models of several runs were measured into, each opened once and read lazily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from robustbench_seg.evaluation.plan import load_tasks
from robustbench_seg.report.differences.numbers import Place
from robustbench_seg.report.relationships.paired import STORE, written
from robustbench_seg.report.rows import Run
from robustbench_seg.results.bootstrap import resample_weights
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.manifest import PairManifest, RunManifest
from robustbench_seg.results.store import Store, StoredCell
from robustbench_seg.results.tables import Reference
from robustbench_seg.tasks.base import Task


@dataclass(frozen=True)
class Source:
    """One model on one data set in the store of a run; `fingerprint` is of the data set, as in run.json."""

    store: Store
    manifest: RunManifest
    pair: int
    fingerprint: str

    @property
    def names(self) -> PairManifest:
        """The pair by name: tasks, classes, families."""
        return self.manifest.pairs[self.pair]

    @cached_property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks measured."""
        return load_tasks(self.names.tasks)

    @cached_property
    def reference(self) -> Reference:
        """The clean images, with the resamples that the tables of the run take."""
        weights, _ = resample_weights(self.manifest.groups[self.names.dataset], self.manifest.seed)
        return Reference(self.store.cell(self.pair, 0, 0), weights)

    @cached_property
    def _cells(self) -> Mapping[Place, tuple[int, int]]:
        return {
            Place(
                self.names.dataset, configuration.attack, configuration.objective, configuration.norm, written(epsilon)
            ): (f, c)
            for f, configuration in enumerate(self.names.configurations)
            for c, epsilon in enumerate(configuration.epsilons)
        }

    def family(self, place: Place) -> AttackConfiguration:
        """The attack of a cell."""
        return self.names.configurations[self._cells[place][0]]

    def cell(self, place: Place) -> StoredCell:
        """A cell as stored; the clean one is read once."""
        family, index = self._cells[place]
        return self.store.cell(self.pair, family, index) if family else self.reference.clean


Sources = Mapping[tuple[str, str], Source]
"""By the name a model has among all runs, and the data set; without what has no store."""


@contextmanager
def opened(runs: Sequence[Run], names: Sequence[Mapping[str, str]]) -> Iterator[Sources]:
    """The sources of all runs; `names` are the models of each run as they are called among all of them."""
    with ExitStack() as stack:
        found: dict[tuple[str, str], Source] = {}
        for run, shown in zip(runs, names, strict=True):
            path = run.folder / STORE
            if not path.is_file():
                continue
            store = stack.enter_context(Store(path, create=False))
            manifest = RunManifest.from_json(store.read_manifest())
            prints = {data["name"]: str(data.get("fingerprint")) for data in run.info.get("datasets", [])}
            for index, pair in enumerate(manifest.pairs):
                if pair.model in shown:
                    source = Source(store, manifest, index, prints.get(pair.dataset, ""))
                    found[shown[pair.model], pair.dataset] = source
        yield found
