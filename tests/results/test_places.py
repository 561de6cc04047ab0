"""Differences of the robustness score between models: over the same images, and from tables alone."""

from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.results.differences import Difference, compare
from robustbench_seg.results.groups import Group, parse_groups
from robustbench_seg.results.intervals import interval
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.run import Run
from robustbench_seg.results.score import HALF_EPSILON, SCORE
from tests.results.stored_runs import stored_run

GRID = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
N = 12
CLEAN = np.random.default_rng(0).uniform(1, 5, N)


def errors(seed: int, step: float) -> dict[float, np.ndarray]:
    """Errors clean, then larger with every epsilon, for each image by itself."""
    draw = np.random.default_rng(seed)
    return {0.0: CLEAN} | {epsilon: CLEAN * draw.uniform(1, 1 + step * (i + 1), N) for i, epsilon in enumerate(GRID)}


def run_of(folder: Path, models: dict[str, dict[float, np.ndarray]], grid: tuple[float, ...] = GRID) -> Run:
    cells = {name: {e: of_model[e].tolist() for e in (0.0, *grid)} for name, of_model in models.items()}
    return stored_run(folder, cells, norm="rms", worst=[AttackConfiguration("worst", "depth", "rms", grid)])


def found(runs: list[Run], groups: tuple[Group, ...]) -> dict[str, Difference]:
    return {d.quantity: d for d in compare(runs, groups).differences if d.quantity in (SCORE, HALF_EPSILON)}


def areas(of_model: dict[float, np.ndarray], grid: tuple[float, ...] = GRID) -> np.ndarray:
    weights = np.concatenate([np.ones((1, N)), 1 - np.eye(N)])
    curve = np.array([weights @ CLEAN / (weights @ of_model[epsilon]) for epsilon in grid])
    return np.diff(np.log2(grid)) @ (curve[1:] + curve[:-1]) / 2 / 5


def test_a_difference_of_scores_is_that_of_the_areas_without_the_same_images(tmp_path: Path) -> None:
    a, b = errors(1, 0.5), errors(2, 0.8)
    both = found([run_of(tmp_path / "x", {"a": a}), run_of(tmp_path / "y", {"b": b})], parse_groups([], ["a", "b"]))
    d, half = both[SCORE], both[HALF_EPSILON]
    assert (d.a, d.b) == pytest.approx((areas(a)[0], areas(b)[0]))
    whole, *others = areas(b) - areas(a)
    assert (d.image_low, d.image_high) == pytest.approx(interval(whole, np.array(others)))
    assert (d.attack, d.objective, d.norm, d.epsilon, d.metric) == ("worst", "depth", "rms", None, "rmse")
    assert half.difference == half.b - half.a


def test_groups_have_mean_scores_and_intervals_from_seeds(tmp_path: Path) -> None:
    models = {name: errors(seed, 0.5) for seed, name in enumerate(["a0", "a1", "b0", "b1"])}
    groups = parse_groups(["a=a0,a1", "b=b0,b1"], list(models))
    d = found([run_of(tmp_path / "run", models)], groups)[SCORE]
    scores = [areas(each)[0] for each in models.values()]
    assert (d.a, d.b) == pytest.approx((np.mean(scores[:2]), np.mean(scores[2:])))
    assert d.seed_low < d.difference < d.seed_high


def test_scores_of_different_grids_are_compared_over_what_they_share(tmp_path: Path) -> None:
    a, b = errors(1, 0.5), errors(2, 0.8)
    a[3.0], b[1.5] = a[4.0], b[2.0]
    runs = [run_of(tmp_path / "x", {"a": a}, (*GRID, 3.0)), run_of(tmp_path / "y", {"b": b}, (*GRID, 1.5))]
    d = found(runs, parse_groups([], ["a", "b"]))[SCORE]
    assert (d.a, d.b) == pytest.approx((areas(a)[0], areas(b)[0]))


def test_without_a_store_scores_are_compared_without_an_interval(tmp_path: Path) -> None:
    a, b = errors(1, 0.5), errors(2, 0.8)
    run = run_of(tmp_path / "run", {"a": a, "b": b})
    (run.folder / "store.sqlite").unlink()
    d = found([Run(run.folder)], parse_groups([], ["a", "b"]))[SCORE]
    assert (d.a, d.b) == pytest.approx((areas(a)[0], areas(b)[0]), rel=1e-5)
    assert (d.image_low, d.image_high) == (None, None)


def test_a_model_without_a_score_is_not_compared_in_it(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "x", {"a": errors(1, 0.5)}), run_of(tmp_path / "y", {"b": errors(2, 0.5)}, GRID[1:])]
    assert not found(runs, parse_groups([], ["a", "b"]))


def test_rows_of_some_models_have_a_curve_of_these(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {name: errors(seed, 0.5) for seed, name in enumerate("abc")})
    two = [row for row in run.rows if row.model != "c"]
    assert {d.quantity for d in compare([run], parse_groups([], ["a", "b"]), two).differences} >= {SCORE, HALF_EPSILON}
