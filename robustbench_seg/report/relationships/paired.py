"""Values under each resample, computed again from a run's store: what intervals of differences need."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_seg.report.relationships.contrast import Floats, Key

if TYPE_CHECKING:
    from robustbench_seg.results.keys import AttackConfiguration
    from robustbench_seg.results.manifest import RunManifest
    from robustbench_seg.results.store import Store, StoredCell
    from robustbench_seg.results.tables import Reference
    from robustbench_seg.tasks.base import Task, Values

STORE = "store.sqlite"


def draws(folder: Path, wanted: Collection[Key]) -> dict[Key, Floats]:
    """The resampled values of the wanted cells of a run; nothing where the folder has no store any more."""
    if not wanted or not (folder / STORE).is_file():
        return {}
    from robustbench_seg.results.manifest import RunManifest
    from robustbench_seg.results.store import Store

    with Store(folder / STORE, create=False) as store:
        manifest = RunManifest.from_json(store.read_manifest())
        return {
            key: ratios
            for pair in range(len(manifest.pairs))
            for key, ratios in resampled(store, manifest, pair, wanted)
        }


def resampled(store: Store, manifest: RunManifest, pair: int, wanted: Collection[Key]) -> Iterator[tuple[Key, Floats]]:
    """Yield (key, values (R,)) of the wanted cells of one pair of model and data set. A pure function of the store.

    The values are ratios Q, or the attacked metric itself where it has no direction (the shape of boxes). Every
    cell sees the same resamples of the same images, so values at one index may be subtracted. R is the number of
    resamples of the task. Images count as in summary.csv: those with a value, clean and attacked.
    """
    from robustbench_seg.evaluation.plan import load_tasks
    from robustbench_seg.results.bootstrap import resample_weights
    from robustbench_seg.results.tables import Reference, used_results

    names = manifest.pairs[pair]
    asked = [key for key in wanted if (key.model, key.dataset) == (names.model, names.dataset)]
    if not asked:
        return
    weights, _ = resample_weights(manifest.groups[names.dataset], manifest.seed)
    tasks = load_tasks(names.tasks)
    reference = Reference(store.cell(pair, 0, 0), weights)
    for f, configuration in enumerate(names.configurations):
        for c, epsilon in enumerate(configuration.epsilons):
            keys = [key for key in asked if _is_of(key, configuration, epsilon)]
            if not keys:
                continue
            cell = store.cell(pair, f, c)
            used = [result.image for result in used_results(cell, reference.clean)]
            for key in keys if used else ():
                yield key, _values(reference, cell, used, key, tasks[key.task], names.classes)


def _values(
    reference: Reference, cell: StoredCell, used: Sequence[int], key: Key, task: Task, classes: Sequence[str]
) -> Floats:
    """(R,) of a cell in the key's metric, over all classes or of one."""
    from robustbench_seg.results.tables import ratio

    scored, _, clean = reference.values(task, used)
    statistics = [cell.statistics[task.name][image] for image in used]
    attacked = task.values(statistics, reference.resamples(task, used), scored)
    values, before = (_of_key(one, key, classes) for one in (attacked, clean))
    metric = task.metric(key.metric)
    return values if metric.higher_is_better is None else ratio(metric, values, before)


def _of_key(values: Values, key: Key, classes: Sequence[str]) -> Floats:
    if key.label:
        return values.classes[key.metric][:, classes.index(key.label)]
    return values.overall[key.metric]


def _is_of(key: Key, configuration: AttackConfiguration, epsilon: float | None) -> bool:
    return (key.attack, key.objective, key.norm, key.epsilon) == (
        configuration.attack,
        configuration.objective,
        configuration.norm,
        written(epsilon),
    )


def written(epsilon: float | None) -> float | None:
    """A radius as it reads in summary.csv, with six significant digits."""
    return None if epsilon is None else float(f"{epsilon:.6g}")


def renamed(found: Mapping[Key, Floats], names: Mapping[str, str]) -> dict[Key, Floats]:
    """The same with models called otherwise."""
    return {key._replace(model=names.get(key.model, key.model)): ratios for key, ratios in found.items()}
