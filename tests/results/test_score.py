"""The robustness score and the epsilon at Q = 0.5, against closed forms."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.checks.judge import rebuild
from robustbench_seg.results.intervals import interval
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.rows import ScoreRow
from robustbench_seg.results.run import Run
from robustbench_seg.results.score import half_epsilon, robustness_score, score_grid, with_verdict
from tests.results.stored_runs import stored_run

GRID = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
N = 12
CLEAN = np.random.default_rng(0).uniform(1, 5, N)
WORST = AttackConfiguration("worst", "depth", "rms", GRID)


def column(*values: float) -> np.ndarray:
    return np.array(values, float)[:, None]


@pytest.mark.parametrize(
    ("ratios", "score", "half"),
    [
        pytest.param((1, 1, 1, 1, 1, 1), 1.0, 8.0, id="unharmed"),
        pytest.param((0, 0, 0, 0, 0, 0), 0.0, 0.25, id="all lost"),
        pytest.param((0.3, 0.3, 0.3, 0.3, 0.3, 0.3), 0.3, 0.25, id="constant"),
        pytest.param((1, 0.8, 0.6, 0.4, 0.2, 0), 0.5, 2**0.5, id="linear in log2"),
        pytest.param((1, 1, 1, 0, 0, 0), 0.5, 2**0.5, id="step"),
        pytest.param((1, 1, 0.5, 0, 0, 0), 0.4, 1.0, id="half at an epsilon"),
        pytest.param((1.2, 1.1, 1, 1, 1, 1), 1.0, 8.0, id="what improves counts as unharmed"),
        pytest.param((1, 0.4, 0.6, 0.4, 0.2, 0), 0.42, 0.25 * 2 ** (0.5 / 0.6), id="the first of two crossings"),
        pytest.param((1, 1, 1, 1, 1, 0.5), 0.95, 8.0, id="half at the last"),
    ],
)
def test_closed_forms(ratios: tuple[float, ...], score: float, half: float) -> None:
    assert robustness_score(GRID, column(*ratios)) == pytest.approx([score], abs=1e-12)
    assert half_epsilon(GRID, column(*ratios)) == pytest.approx([half], abs=1e-12)


def test_ends_are_exact_and_scores_at_most_one() -> None:
    grid = (0.25, 0.37, 0.6, 1.0, 1.7, 3.0, 5.9, 8.0)
    curves = np.array([[1.0] * 8, [0.0] * 8]).T
    assert half_epsilon(grid, curves).tolist() == [8.0, 0.25]
    assert robustness_score(grid, curves).max() <= 1


def test_an_uneven_grid_weighs_by_octaves() -> None:
    """A curve linear in log2 epsilon has the same area whatever the grid."""
    grid = (0.25, 0.3, 0.6, 1.0, 1.1, 2.2, 4.0, 5.0, 8.0)
    ratios = column(*(1 - (np.log2(grid) + 2) / 5))
    assert robustness_score(grid, ratios) == pytest.approx([0.5])
    assert half_epsilon(grid, ratios) == pytest.approx([2**0.5])


def test_a_gap_in_one_curve_leaves_the_others() -> None:
    curves = np.array([[1.0] * 6, [1.0, np.nan, 1.0, 0.0, 0.0, 0.0]]).T
    assert np.isnan(robustness_score(GRID, curves)).tolist() == [False, True]
    assert np.isnan(half_epsilon(GRID, curves)).tolist() == [False, True]


@pytest.mark.parametrize(
    ("epsilons", "grid"),
    [
        (GRID, GRID),
        ((None, 16.0, *GRID[::-1], 0.125), GRID),
        (GRID[1:], ()),
        (GRID[:-1], ()),
        ((0.25, 0.5, 1.0, 4.0, 8.0), ()),
        ((), ()),
    ],
)
def test_the_grid_has_both_ends_and_no_gap(epsilons: tuple[float | None, ...], grid: tuple[float, ...]) -> None:
    assert score_grid(epsilons) == grid


def run_of(folder: Path, factors: dict[float, float], worst: AttackConfiguration = WORST, broken: int = 0) -> Run:
    """Errors of N images that grow by a factor at each epsilon; some images fail at the last."""
    cells = {0.0: CLEAN.tolist()} | {epsilon: (factor * CLEAN).tolist() for epsilon, factor in factors.items()}
    cells[8.0][:broken] = [None] * broken
    return stored_run(folder, {"m": cells}, norm="rms", worst=[worst])


def test_a_run_is_scored_and_read_again(tmp_path: Path) -> None:
    """Errors twice as large at every epsilon retain one half, whichever images are drawn."""
    run = run_of(tmp_path / "run", dict.fromkeys(GRID, 2.0))
    common = {
        "model": "m",
        "dataset": "street",
        "task": "depth",
        "metric": "rmse",
        "n_images": N,
        "status": "ok",
        "verdict": "ok",
    }
    numbers = dict.fromkeys(("score", "score_low", "score_high"), 0.5)
    half = dict.fromkeys(("half_epsilon", "half_low", "half_high"), 0.25)
    assert run.score_rows == [ScoreRow(**common, **numbers, **half)]
    assert run.scores.loc[0, "score"] == 0.5


def test_the_interval_is_that_of_the_areas_with_images_left_out(tmp_path: Path) -> None:
    hurt = {epsilon: np.random.default_rng(i).uniform(1, 1 + 2 * i, N) for i, epsilon in enumerate(GRID)}
    cells = {0.0: CLEAN.tolist()} | {epsilon: (by * CLEAN).tolist() for epsilon, by in hurt.items()}
    (row,) = stored_run(tmp_path / "run", {"m": cells}, norm="rms", worst=[WORST]).score_rows
    drawn = np.concatenate([np.ones((1, N)), 1 - np.eye(N)])
    curves = [drawn @ CLEAN / (drawn @ (by * CLEAN)) for by in hurt.values()]
    areas = sum((a + b) / 2 for a, b in itertools.pairwise(curves)) / 5
    assert row.score == pytest.approx(areas[0], rel=1e-5)
    assert (row.score_low, row.score_high) == pytest.approx(interval(areas[0], areas[1:]), rel=1e-5)
    assert 0.25 < row.half_low < row.half_epsilon < row.half_high < 8


def test_images_that_failed_at_one_epsilon_count_at_none(tmp_path: Path) -> None:
    (row,) = run_of(tmp_path / "run", dict.fromkeys(GRID, 2.0), broken=2).score_rows
    assert (row.score, row.n_images, row.status) == (0.5, N - 2, "failed")
    assert not run_of(tmp_path / "none", dict.fromkeys(GRID, 2.0), broken=N).score_rows


@pytest.mark.parametrize(
    "worst",
    [
        pytest.param(AttackConfiguration("worst", "depth", "linf", GRID), id="another norm"),
        pytest.param(AttackConfiguration("worst", "depth", "rms", GRID[:-1]), id="an end is missing"),
        pytest.param(AttackConfiguration("worst", "depth", "rms", GRID, {"by_image": True}), id="not greedy"),
        pytest.param(AttackConfiguration("worst", "depth", "rms", GRID, variant="fgsm"), id="a variant"),
    ],
)
def test_other_runs_have_none(tmp_path: Path, worst: AttackConfiguration) -> None:
    run = run_of(tmp_path / "run", dict.fromkeys(GRID, 2.0), worst)
    assert not run.score_rows
    assert not (run.folder / "scores.csv").exists()


def test_scores_that_are_gone_leave_no_file(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", dict.fromkeys(GRID, 2.0))
    table = run.folder / "scores.csv"
    before = table.read_text()
    assert len(rebuild(run.folder).score_rows) == len(run.score_rows) == 1
    assert table.read_text() == before
    narrow = AttackConfiguration("worst", "depth", "rms", GRID[1:])
    other = run_of(tmp_path / "other", dict.fromkeys(GRID, 2.0), narrow)
    (other.folder / "scores.csv").write_text(before)
    rebuild(other.folder)
    assert not (other.folder / "scores.csv").exists()


def test_a_score_has_the_verdict_of_the_cells_it_is_made_of(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", dict.fromkeys(GRID, 2.0))
    (score,) = run.score_rows
    sound = [replace(row, verdict="ok") for row in run.rows]
    assert with_verdict(score, sound).verdict == "ok"
    names = {("worst", 2.0): "b", ("clean", 0.0): "c", ("worst", 8.0): "b; a", ("fgsm", 2.0): "d"}
    rows = [replace(row, verdict=names.get((row.attack, row.epsilon), "ok")) for row in sound]
    judged = with_verdict(score, rows)
    assert judged.doubts == ["c", "b", "a"]
    assert judged.status == "ok"
    unreached = [replace(row, status="failed" if row.attack == "worst" else "ok") for row in sound]
    assert with_verdict(score, unreached).status == "failed"
