"""One number per model and task: the robustness score, the area under its worst-case Q curve over log2 epsilon."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from robustbench_seg.results.keys import CLEAN, FLOAT, WORST, AttackConfiguration
from robustbench_seg.results.pair import PairResults
from robustbench_seg.results.rows import SEPARATOR, SOUND, Row, ScoreRow, Series, unique
from robustbench_seg.results.sample import Sample, combined
from robustbench_seg.tasks.base import Floats

NORM = "rms"
"""The norm of the budget: every perturbation at one epsilon has the same energy."""
LOWEST, HIGHEST = 0.25, 8.0
"""The epsilons from and up to which the area is taken, in units of 1/255."""
WIDEST = 2.0
"""Neighbouring epsilons of the grid are no further apart than this factor."""
HALF = 0.5
"""The Q that `half_epsilon` looks for."""

SCORE, HALF_EPSILON = "score", "half_epsilon"
"""The quantities that are of a whole curve."""


def score_grid(epsilons: Iterable[float | None]) -> tuple[float, ...]:
    """The epsilons from 0.25 to 8 that a score is taken over; empty where an end is missing or a gap is too wide."""
    grid = sorted({epsilon for epsilon in epsilons if epsilon is not None and LOWEST <= epsilon <= HIGHEST})
    has_ends = bool(grid) and (grid[0], grid[-1]) == (LOWEST, HIGHEST)
    return tuple(grid) if has_ends and all(b <= WIDEST * a for a, b in itertools.pairwise(grid)) else ()


def robustness_score(epsilons: Sequence[float], ratios: Floats) -> Floats:
    """The area under curves of Q (E,n) over log2 epsilon by the trapezoid rule, divided by the width: (n,) in [0, 1].

    Q counts as 1 where it is above, since what an attack improves is no robustness, and as 0 where it is below. NaN
    where a curve has a gap.
    """
    widths = np.diff(np.log2(epsilons))
    weights = np.concatenate([widths, [0]]) + np.concatenate([[0], widths])
    # Normalised weights may add up to more than 1 by rounding.
    areas: Floats = weights / weights.sum() @ np.clip(ratios, 0, 1)
    return np.minimum(areas, 1)


def half_epsilon(epsilons: Sequence[float], ratios: Floats) -> Floats:
    """The epsilon at which curves of Q (E,n) first fall to 0.5, linear in log2 epsilon between the grid's: (n,).

    The first epsilon stands for all below it and the last one for all above: a curve that begins at 0.5 or less gives
    the first, one that stays above the last. NaN where a curve has a gap.
    """
    logs = np.log2(epsilons)
    is_down = ratios <= HALF
    after = np.where(is_down.any(axis=0), is_down.argmax(axis=0), len(logs) - 1)
    before = np.maximum(after - 1, 0)
    columns = np.arange(ratios.shape[1])
    upper, lower = ratios[before, columns], ratios[after, columns]
    falls = (upper > HALF) & (lower <= HALF)
    share = np.divide(upper - HALF, upper - lower, out=np.zeros_like(upper), where=falls)
    found = np.exp2(logs[before] + share * (logs[after] - logs[before]))
    found[~is_down.any(axis=0)] = epsilons[-1]
    return np.where(np.isfinite(ratios).all(axis=0), found, np.nan)


def numbers_of(epsilons: Sequence[float], curve: Sequence[Sample]) -> tuple[Sample, Sample]:
    """The robustness score and the epsilon at Q = 0.5 of a curve of Q over these epsilons."""
    score = combined(curve, partial(robustness_score, epsilons), limits=(0, 1))
    return score, combined(curve, partial(half_epsilon, epsilons), limits=(epsilons[0], epsilons[-1]))


def scores(pair: PairResults, configuration: AttackConfiguration) -> Iterator[ScoreRow]:
    """The score of a task whose own worst case this is; none of another attack or over another grid (`score_grid`).

    The worst case is the greedy one, labelled `worst`, in budget rms; all its cells are taken over the images that
    count in every one. Without such images, or where Q is undefined, there is no score.
    """
    grid = score_grid(configuration.epsilons) if is_scored(configuration) else ()
    keys = [configuration.key(pair.pair.model, pair.pair.dataset, epsilon) for epsilon in grid]
    counted = [{result.image for result in pair.counted(key)} for key in keys]
    images = sorted(set.intersection(*counted)) if counted else []
    if not images:
        return
    task = pair.tasks[configuration.objective]
    curve = [pair.values(key, task, images).sample(task.curve) for key in keys]
    score, half = numbers_of(grid, curve)
    if np.isfinite(score.value):
        yield ScoreRow(
            model=pair.pair.model,
            dataset=pair.pair.dataset,
            task=task.name,
            metric=task.curve,
            score=score.value,
            half_epsilon=half.value,
            **_ends("score", score),
            **_ends("half", half),
            n_images=len(images),
            status="ok" if len(images) == pair.n_images else "failed",
        )


def worst_series(task: str) -> Series:
    """The perturbation that the score of a task is of."""
    return WORST, task, NORM, FLOAT


def with_verdict(score: ScoreRow, rows: Sequence[Row]) -> ScoreRow:
    """The score with the status and the verdict of the rows that it is made of, the clean one included."""
    place = (score.model, score.dataset, score.task, score.metric)
    mine = [row for row in rows if (row.model, row.dataset, row.task, row.metric) == place]
    made_of = [row for row in mine if row.attack == CLEAN or row.series == worst_series(score.task)]
    doubts = SEPARATOR.join(unique([name for row in made_of for name in row.doubts]))
    status = "failed" if any(row.failed for row in made_of) else score.status
    return replace(score, status=status, verdict=doubts or SOUND)


def is_scored(configuration: AttackConfiguration) -> bool:
    """Whether this is a worst case that scores are made of."""
    is_greedy = configuration.label == WORST and not configuration.params.get("by_image")
    return is_greedy and configuration.norm == NORM


def _ends(stem: str, sample: Sample) -> dict[str, Any]:
    """The fields that hold the ends of an interval."""
    ends = zip((f"{stem}_low", f"{stem}_high"), sample.interval, strict=True)
    return {name: end if np.isfinite(end) else None for name, end in ends}
