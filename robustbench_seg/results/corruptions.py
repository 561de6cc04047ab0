"""Summaries over the severities of corruptions: the mean retained performance Q, and the corruption error CE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robustbench_seg.results.keys import CLEAN, AttackConfiguration, attack_name, severity_of
from robustbench_seg.results.pair import CLEAN_VALUE, RATIO, RATIOS, VALUE, PairResults
from robustbench_seg.results.rows import SEPARATOR, SOUND, CorruptionRow, Row, unique
from robustbench_seg.results.sample import Sample, combined
from robustbench_seg.tasks.base import Floats

MEAN = "mean"
"""What stands for a corruption in the row of the mean over all of them."""


@dataclass(frozen=True)
class Graded:
    """One cell of a corruption at a severity, in the metric that Q is drawn of.

    `error` is the metric itself where lower is better, else 1 less it: metrics of which more is better are shares.
    """

    model: str
    dataset: str
    task: str
    metric: str
    corruption: str
    severity: int
    value: Sample
    error: Sample
    ratio: Sample
    clean: float
    n_images: int
    is_whole: bool


def graded(pair: PairResults, configuration: AttackConfiguration) -> Iterator[Graded]:
    """What a configuration gives for every task where it is a corruption at a severity."""
    severity = severity_of(configuration.label)
    if severity is None:
        return
    key = configuration.key(pair.pair.model, pair.pair.dataset, *configuration.cells[0])
    images = [result.image for result in pair.counted(key)]
    for task in pair.tasks.values() if images else ():
        values, metric = pair.values(key, task, images), task.metric(task.curve)
        value, clean, ratio = (values.sample(metric.name, each) for each in (VALUE, CLEAN_VALUE, RATIO))
        if np.isfinite(ratio.value):
            error = combined([value], lambda values: 1 - values[0]) if metric.higher_is_better else value
            names = (key.model, key.dataset, task.name, metric.name, configuration.attack, severity)
            yield Graded(*names, value, error, ratio, clean.value, len(images), len(images) == pair.n_images)


_Severities = Mapping[int, Graded]
_Kinds = Mapping[str, _Severities]


def corruption_rows(cells: Sequence[Graded]) -> list[CorruptionRow]:
    """One row per model, data set, task and corruption, then one of the mean over its corruptions (`MEAN`).

    CE (Hendrycks and Dietterich 2019; of 1 - mIoU also Kamann and Rother 2020) is the sum of the errors over severities
    divided by that of the baseline, the first model of the run that has the task on the data set. It is there where
    the baseline was measured at the same severities.
    """
    places: dict[tuple[str, str], dict[str, dict[str, dict[int, Graded]]]] = {}
    for cell in cells:
        kinds = places.setdefault((cell.dataset, cell.task), {}).setdefault(cell.model, {})
        kinds.setdefault(cell.corruption, {})[cell.severity] = cell
    rows: list[CorruptionRow] = []
    for models in places.values():
        baseline = next(iter(models))
        for kinds in models.values():
            rows += _rows(kinds, baseline, models[baseline])
    return rows


def _rows(kinds: _Kinds, baseline: str, reference: _Kinds) -> Iterator[CorruptionRow]:
    values, ratios, errors = [], [], []
    for name, cells in kinds.items():
        values.append(_mean([cell.value for cell in cells.values()]))
        ratios.append(_mean([cell.ratio for cell in cells.values()]))
        errors.append(_corruption_error(cells, reference.get(name, {})))
        yield _row(name, list(cells.values()), values[-1], ratios[-1], errors[-1], baseline)
    every = [cell for cells in kinds.values() for cell in cells.values()]
    known = [error for error in errors if error is not None]
    error = _mean(known) if len(known) == len(errors) else None
    yield _row(MEAN, every, _mean(values), _mean(ratios), error, baseline)


def _corruption_error(cells: _Severities, reference: _Severities) -> Sample | None:
    if cells.keys() != reference.keys():
        return None
    if cells is reference:
        return Sample(1.0)
    samples = [each[severity].error for each in (cells, reference) for severity in cells]
    with np.errstate(divide="ignore", invalid="ignore"):
        return combined(samples, _quotient, limits=RATIOS)


def _quotient(values: Floats) -> Floats:
    own, reference = np.split(values, 2)
    result: Floats = own.sum(axis=0) / reference.sum(axis=0)
    return result


def _mean(samples: Sequence[Sample]) -> Sample:
    return combined(samples, lambda values: values.mean(axis=0), limits=RATIOS)


def _row(
    name: str, cells: Sequence[Graded], value: Sample, ratio: Sample, error: Sample | None, baseline: str
) -> CorruptionRow:
    first, severities = cells[0], sorted({cell.severity for cell in cells})
    return CorruptionRow(
        **{field: getattr(first, field) for field in ("model", "dataset", "task", "metric", "clean")},
        corruption=name,
        severities=" ".join(map(str, severities)),
        value=value.value,
        **_numbers("q", ratio),
        **_numbers("ce", error),
        baseline=baseline,
        n_images=min(cell.n_images for cell in cells),
        status="ok" if all(cell.is_whole for cell in cells) else "failed",
    )


def _numbers(stem: str, sample: Sample | None) -> dict[str, Any]:
    """The fields of a number and of the ends of its interval; None for what is not known."""
    numbers = (np.nan,) * 3 if sample is None else (sample.value, *sample.interval)
    names = (stem, f"{stem}_low", f"{stem}_high")
    return {name: number if np.isfinite(number) else None for name, number in zip(names, numbers, strict=True)}


def with_doubts(summaries: Sequence[CorruptionRow], rows: Sequence[Row]) -> list[CorruptionRow]:
    """The summaries with the verdict of the rows they are made of, clean ones and those of the baseline included."""
    doubts: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.doubts and (row.attack == CLEAN or severity_of(row.attack)):
            kind = "" if row.attack == CLEAN else attack_name(row.attack)
            for name in (kind, MEAN):
                doubts.setdefault((row.model, row.dataset, row.task, row.metric, name), []).extend(row.doubts)

    def verdict(made: CorruptionRow) -> str:
        models = (made.model, made.baseline) if made.ce is not None else (made.model,)
        places = [
            (model, made.dataset, made.task, made.metric, name) for model in models for name in ("", made.corruption)
        ]
        return SEPARATOR.join(unique([name for place in places for name in doubts.get(place, [])])) or SOUND

    return [replace(made, verdict=verdict(made)) for made in summaries]
