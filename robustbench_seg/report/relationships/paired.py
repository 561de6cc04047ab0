"""Values under each resample, computed again from a run's store: what intervals of differences need."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_seg.report.relationships.contrast import Floats, Key

if TYPE_CHECKING:
    from robustbench_seg.harness.outline import Outline
    from robustbench_seg.harness.plan import Family
    from robustbench_seg.harness.store import Store, StoredCell
    from robustbench_seg.tasks.base import Task, Values

STORE = "store.sqlite"


def draws(folder: Path, wanted: Collection[Key]) -> dict[Key, Floats]:
    """The resampled values of the wanted cells of a run; nothing where the folder has no store any more."""
    if not wanted or not (folder / STORE).is_file():
        return {}
    from robustbench_seg.harness.outline import Outline
    from robustbench_seg.harness.store import Store

    with Store(folder / STORE) as store:
        outline = Outline.from_json(store.read_outline())
        return {
            key: ratios for pair in range(len(outline.pairs)) for key, ratios in resampled(store, outline, pair, wanted)
        }


def resampled(store: Store, outline: Outline, pair: int, wanted: Collection[Key]) -> Iterator[tuple[Key, Floats]]:
    """Yield (key, values (R,)) of the wanted cells of one pair of model and data set. A pure function of the store.

    The values are ratios Q, or the attacked metric itself where it has no direction (the shape of boxes). Every
    cell sees the same resamples of the same images, so values at one index may be subtracted. R is the number of
    resamples of the task. Images count as in summary.csv: those with a value, clean and attacked.
    """
    from robustbench_seg.harness.bootstrap import resample_weights
    from robustbench_seg.harness.plan import load_tasks

    names = outline.pairs[pair]
    groups = [key for key in wanted if (key.model, key.dataset) == (names.model, names.dataset)]
    if not groups:
        return
    weights, _ = resample_weights(outline.groups[names.dataset], outline.seed)
    tasks = load_tasks(names.tasks)
    clean = store.cell(pair, 0, 0)
    cache: dict[tuple[str, tuple[int, ...]], _Reference] = {}
    for f, family in enumerate(names.families):
        for c, epsilon in enumerate(family.epsilons):
            asked = [key for key in groups if _is_of(key, family, epsilon)]
            cell = store.cell(pair, f, c) if asked else clean
            used = _used(cell, clean)
            for key in asked if used else ():
                task = tasks[key.task]
                place = (task.name, used)
                if place not in cache:
                    cache[place] = _Reference(task, clean, used, weights)
                yield key, cache[place].values(cell, key, names.classes)


class _Reference:
    """The clean metrics of one task over some images under each resample; the attacked ones are compared with it."""

    def __init__(self, task: Task, clean: StoredCell, used: Sequence[int], weights: Floats) -> None:
        statistics = [clean.statistics[task.name][image] for image in used]
        self._task, self._used = task, used
        self._weights = weights[: task.resamples, list(used)]
        self._scored = task.scored(statistics)
        self._clean = task.values(statistics, self._weights, self._scored)

    def values(self, cell: StoredCell, key: Key, classes: Sequence[str]) -> Floats:
        """(R,) of a cell in the key's metric, over all classes or of one."""
        from robustbench_seg.harness.aggregate import ratio

        statistics = [cell.statistics[self._task.name][image] for image in self._used]
        found = self._task.values(statistics, self._weights, self._scored)
        attacked, clean = (_of_key(values, key, classes) for values in (found, self._clean))
        metric = self._task.metric(key.metric)
        return attacked if metric.higher_is_better is None else ratio(metric, attacked, clean)


def _of_key(values: Values, key: Key, classes: Sequence[str]) -> Floats:
    if key.label:
        return values.classes[key.metric][:, classes.index(key.label)]
    return values.overall[key.metric]


def _is_of(key: Key, family: Family, epsilon: float | None) -> bool:
    return (key.attack, key.objective, key.norm, key.epsilon) == (
        family.attack,
        family.objective,
        family.norm,
        written(epsilon),
    )


def written(epsilon: float | None) -> float | None:
    """A radius as it reads in summary.csv, with six significant digits."""
    return None if epsilon is None else float(f"{epsilon:.6g}")


def _used(cell: StoredCell, clean: StoredCell) -> tuple[int, ...]:
    failed = {result.image for result in clean.results if result.error}
    return tuple(r.image for r in cell.results if not r.error and not r.skipped and r.image not in failed)


def renamed(found: Mapping[Key, Floats], names: Mapping[str, str]) -> dict[Key, Floats]:
    """The same with models called otherwise."""
    return {key._replace(model=names.get(key.model, key.model)): ratios for key, ratios in found.items()}
