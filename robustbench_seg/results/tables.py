"""From stored statistics to the tables: summary, per class, costs. A pure function of the store and the plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.evaluation.plan import load_tasks
from robustbench_seg.registry import one_line
from robustbench_seg.results.bootstrap import interval, resample_weights
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.manifest import PairManifest, RunManifest
from robustbench_seg.results.records import ImageResult
from robustbench_seg.results.store import Store, StoredCell
from robustbench_seg.tasks.base import Floats, Metric, Statistics, Task, Values

_KEYS = ["model", "dataset", "attack", "objective", "norm", "epsilon"]
_NUMBERS = ["direction", "value", "clean", "ratio", "ratio_low", "ratio_high"]
_REALISED = ["snr_db", "rms", "linf", "n_images", "n_unchanged", "status"]
SUMMARY = [*_KEYS, "task", "metric", *_NUMBERS, *_REALISED]
CLASSES = [*_KEYS, "task", "metric", "class", *_NUMBERS, *_REALISED]
COSTS = [*_KEYS, "forwards", "backwards", "seconds", "peak_memory_mb"]

_DIRECTIONS = {True: "higher", False: "lower", None: ""}

Row = dict[str, Any]
NAN = float("nan")


@dataclass(frozen=True)
class Tables:
    """The three tables of a run, and a sentence on how intervals were made for each data set."""

    summary: pd.DataFrame
    classes: pd.DataFrame
    costs: pd.DataFrame
    intervals: dict[str, str]


def tabulate(store: Store) -> Tables:
    """All rows of all cells that are stored. A pure function of the store."""
    manifest = RunManifest.from_json(store.read_manifest())
    resampling = {name: resample_weights(groups, manifest.seed) for name, groups in manifest.groups.items()}
    summary: list[Row] = []
    classes: list[Row] = []
    costs: list[Row] = []
    for p, pair in enumerate(manifest.pairs):
        tasks = load_tasks(pair.tasks)
        clean = store.cell(p, 0, 0)
        reference = Reference(clean, resampling[pair.dataset][0])
        for f, configuration in enumerate(pair.configurations):
            for c, epsilon in enumerate(configuration.epsilons):
                cell = store.cell(p, f, c) if f else clean
                if not cell.results:
                    continue
                key = _key(pair, configuration, epsilon)
                costs.append(key | dict(zip(COSTS[len(_KEYS) :], store.costs(p, f, c), strict=True)))
                comparison = _Comparison(cell, reference, pair.classes)
                for task in tasks.values():
                    summary += [key | row for row in comparison.overall(task)]
                    classes += [key | row for row in comparison.per_class(task)]
                summary += [key | row for row in comparison.outcomes(configuration)]
    return Tables(
        pd.DataFrame(summary, columns=SUMMARY),
        pd.DataFrame(classes, columns=CLASSES),
        pd.DataFrame(costs, columns=COSTS),
        {name: sentence for name, (_, sentence) in resampling.items()},
    )


def _key(pair: PairManifest, configuration: AttackConfiguration, epsilon: float | None) -> Row:
    values = (
        pair.model,
        pair.dataset,
        configuration.attack,
        configuration.objective,
        configuration.norm,
        NAN if epsilon is None else epsilon,
    )
    return dict(zip(_KEYS, values, strict=True))


@dataclass
class Reference:
    """The clean images of a pair. Most cells are compared on the same ones, so their values are kept."""

    clean: StoredCell
    weights: Floats
    _kept: dict[tuple[str, tuple[int, ...]], tuple[npt.NDArray[np.bool_], Values, Values]] = field(default_factory=dict)

    def values(self, task: Task, images: Sequence[int]) -> tuple[npt.NDArray[np.bool_], Values, Values]:
        """Scored classes, values and resampled values over these images."""
        key = (task.name, tuple(images))
        if key not in self._kept:
            statistics: list[Statistics] = [self.clean.statistics[task.name][i] for i in images]
            scored = task.scored(statistics)
            ones = np.ones((1, len(images)))
            values = task.values(statistics, ones, scored)
            self._kept[key] = scored, values, task.values(statistics, self.resamples(task, images), scored)
        return self._kept[key]

    def resamples(self, task: Task, images: Sequence[int]) -> Floats:
        """The weightings (R,n) of these images that the task's intervals take."""
        return self.weights[: task.resamples, images]


def used_results(cell: StoredCell, clean: StoredCell) -> list[ImageResult]:
    """The results of the images that count in a cell: neither failed, there or clean, nor skipped."""
    failed = {result.image for result in clean.results if result.error}
    return [r for r in cell.results if not r.error and not r.skipped and r.image not in failed]


class _Comparison:
    """One cell against the clean one over the images that have a value in both."""

    def __init__(self, cell: StoredCell, reference: Reference, classes: Sequence[str]) -> None:
        self._cell, self._reference, self._classes = cell, reference, classes
        clean = reference.clean
        self._used = used_results(cell, clean)
        # A cell of an interrupted run, with images still to do, is no whole cell either.
        whole = len(cell.results) == len(clean.results) == reference.weights.shape[1]
        failed = any(result.error for result in (*clean.results, *cell.results))
        self._status = "ok" if whole and not failed else "failed"
        self._cache: dict[str, tuple[npt.NDArray[np.bool_], Values, Values, Values, Values] | None] = {}

    def overall(self, task: Task) -> Iterator[Row]:
        """A row a metric."""
        values = self._values(task)
        for metric in task.metrics:
            numbers = [NAN, NAN, NAN, NAN, NAN]
            if values:
                numbers = _numbers(metric, *(value.overall[metric.name] for value in values[1:]))
            yield {"task": task.name, "metric": metric.name} | self._row(_direction(metric), numbers)

    def per_class(self, task: Task) -> Iterator[Row]:
        """A row a metric and scored class."""
        values = self._values(task)
        if values is None:
            return
        for metric in task.metrics:
            if metric.name not in values[1].classes:
                continue
            for index in np.flatnonzero(values[0]).tolist():
                numbers = _numbers(metric, *(value.classes[metric.name][:, index] for value in values[1:]))
                row = self._row(_direction(metric), numbers)
                yield {"task": task.name, "metric": metric.name, "class": self._classes[index]} | row

    def outcomes(self, configuration: AttackConfiguration) -> Iterator[Row]:
        """What a targeted attack reached, as shares of its targets."""
        totals: dict[str, int] = {}
        for result in self._used:
            for key, count in result.outcome.items():
                totals[key] = totals.get(key, 0) + count
        targets = totals.pop("targets", 0)
        for key, count in sorted(totals.items()):
            numbers = [count / targets if targets else NAN, NAN, NAN, NAN, NAN]
            task = configuration.objective.partition("@")[2] or configuration.objective
            yield {"task": task, "metric": key} | self._row("", numbers)

    def _row(self, direction: str, numbers: Sequence[float]) -> Row:
        return dict(zip(_NUMBERS, (direction, *numbers), strict=True)) | _realised(self._used, self._status)

    def _values(self, task: Task) -> tuple[npt.NDArray[np.bool_], Values, Values, Values, Values] | None:
        """(scored classes, attacked, clean, attacked resampled, clean resampled), or None without an image."""
        if task.name not in self._cache:
            try:
                self._cache[task.name] = self._compute(task) if self._used else None
            except RobustsegError:
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {one_line(error)}"
                raise InputError(f"task '{task.name}' cannot compute its metrics ({reason}); mend the task") from error
        return self._cache[task.name]

    def _compute(self, task: Task) -> tuple[npt.NDArray[np.bool_], Values, Values, Values, Values]:
        indices = [result.image for result in self._used]
        attacked: list[Statistics] = [self._cell.statistics[task.name][i] for i in indices]
        scored, clean, clean_resampled = self._reference.values(task, indices)
        return (
            scored,
            task.values(attacked, np.ones((1, len(indices))), scored),
            clean,
            task.values(attacked, self._reference.resamples(task, indices), scored),
            clean_resampled,
        )


def ratio(metric: Metric, attacked: Floats, clean: Floats) -> Floats:
    """The metric ratio Q (Klingner 2020, eq. 10): attacked/clean, inverted where lower is better; NaN without one."""
    if metric.higher_is_better is None:
        return np.full_like(attacked, np.nan)
    top, bottom = (attacked, clean) if metric.higher_is_better else (clean, attacked)
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


def _numbers(metric: Metric, attacked: Floats, clean: Floats, attacked_r: Floats, clean_r: Floats) -> list[float]:
    q = float(ratio(metric, attacked, clean)[0])
    low, high = interval(ratio(metric, attacked_r, clean_r))
    shares = (q, low, high) if np.isfinite(q) else (NAN, NAN, NAN)
    return [float(attacked[0]), float(clean[0]), *shares]


def _direction(metric: Metric) -> str:
    return _DIRECTIONS[metric.higher_is_better]


def _realised(used: Sequence[ImageResult], status: str) -> Row:
    """Mean SNR over the images that moved, root mean square of the RMS, largest L-infinity."""
    snr = [result.snr_db for result in used if result.snr_db is not None]
    values: Mapping[str, Any] = {
        "snr_db": float(np.mean(snr)) if snr else NAN,
        "rms": float(np.sqrt(np.mean([result.rms**2 for result in used]))) if used else NAN,
        "linf": max((result.linf for result in used), default=NAN),
        "n_images": len(used),
        "n_unchanged": sum(result.unchanged for result in used),
        "status": status,
    }
    return dict(values)
