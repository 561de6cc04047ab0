"""Samples of several runs: paired, or the reason why not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.results.keys import AttackConfiguration, CellKey
from robustbench_seg.results.measurements import Measurements, Unpaired
from robustbench_seg.results.pair import VALUE
from tests.results.stored_runs import stored_run

CELLS = {0.0: [1.0, 2.0, 3.0, 4.0], 1.0: [2.0, 3.0, 4.0, 5.0], 4.0: [4.0, 6.0, 8.0, 9.0]}


def key(model: str, epsilon: float = 1.0) -> CellKey:
    return CellKey(model, "street", "fgsm", "depth", "linf", epsilon)


def test_cells_models_and_runs_are_paired_over_the_images_that_count_in_all(tmp_path: Path) -> None:
    holed: dict[float, list[float | None]] = {0.0: [1.0, 2.0, 3.0, 4.0], 1.0: [2.0, None, 4.0, 5.0]}
    runs = [stored_run(tmp_path / "x", {"a": CELLS}), stored_run(tmp_path / "y", {"b": holed})]
    with Measurements(runs) as measurements:
        found = measurements.paired([key("a"), key("a", 4.0), key("b")], "depth")
        assert not isinstance(found, Unpaired)
        samples = [values.sample("rmse", VALUE) for values in found]
        assert [sample.value for sample in samples] == pytest.approx([11 / 3, 7.0, 11 / 3])
        assert np.array_equal(samples[0].left_out, samples[2].left_out, equal_nan=True)
        alone = measurements.sample(key("a"), "depth", "rmse", VALUE)
        assert alone is not None
        assert alone.value == pytest.approx(3.5)


def test_models_of_one_name_are_known_by_their_run(tmp_path: Path) -> None:
    runs = [stored_run(tmp_path / name, {"a": CELLS}) for name in ("x", "y")]
    with Measurements(runs) as measurements:
        assert measurements.sample(key("a (y)"), "depth", "rmse") is not None
        assert measurements.sample(key("a"), "depth", "rmse") is None


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"ids": ["w", "x", "y", "z"]}, "they were measured on other images"),
        ({"groups": ["w", "w", "y", "z"]}, "their images are grouped otherwise"),
        ({"seed": 1}, "their runs have other seeds"),
        ({"params": {"steps": 2}}, "the attack had other parameters"),
        ({"parameters": {"depth": {"max_depth": 50.0}}}, "their task had other parameters"),
    ],
)
def test_what_cannot_be_paired_says_why(tmp_path: Path, other: dict, reason: str) -> None:
    runs = [stored_run(tmp_path / "x", {"a": CELLS}), stored_run(tmp_path / "y", {"b": CELLS}, **other)]
    with Measurements(runs) as measurements:
        assert measurements.paired([key("a"), key("b")], "depth") == Unpaired(reason, is_same_measurement=False)


def test_without_a_store_or_a_cell_there_is_no_sample(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "x", {"a": CELLS})
    with Measurements([run]) as measurements:
        assert measurements.paired([key("a", 2.0)], "depth") == Unpaired("the store of a lacks a cell", True)
    (run.folder / "store.sqlite").unlink()
    with Measurements([run]) as measurements:
        assert measurements.sample(key("a"), "depth", "rmse") is None


@pytest.mark.parametrize(("params", "reason"), [(None, ""), ({"steps": 2}, "the worst case is over other attacks")])
def test_worst_cases_are_paired_where_they_are_over_the_same_attacks(
    tmp_path: Path, params: dict | None, reason: str
) -> None:
    worst = [AttackConfiguration("worst", "depth", "linf", (1.0, 4.0))]
    given = [None, params]
    runs = [
        stored_run(tmp_path / model, {model: CELLS}, params=one, worst=worst)
        for model, one in zip("ab", given, strict=True)
    ]
    with Measurements(runs) as measurements:
        found = measurements.paired([replace(key(model), attack="worst") for model in "ab"], "depth")
        assert (found.reason if isinstance(found, Unpaired) else "") == reason
