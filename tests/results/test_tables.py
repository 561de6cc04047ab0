from pathlib import Path

import pytest

from robustbench_seg.results.pair import pairs_of
from robustbench_seg.results.run import STORE
from robustbench_seg.results.store import Store
from robustbench_seg.results.tables import Tables, tabulate
from tests.results.stored_runs import stored_run


def tables(folder: Path, cells: dict[float, list[float | None]], **options: object) -> Tables:
    run = stored_run(folder / "run", {"m": cells}, **options)
    with Store(run.folder / STORE, create=False) as store:
        return tabulate(pairs_of(store))


def test_one_row_per_cell_task_and_metric(tmp_path: Path) -> None:
    found = tables(tmp_path, {0.0: [0.9] * 9, 1.0: [0.5] * 9}, tasks=("semantic", "depth"))
    assert len({(row.key, row.task, row.metric) for row in found.summary}) == len(found.summary)
    assert {(row.label, row.metric) for row in found.classes if row.metric == "miou"} == {
        ("road", "miou"),
        ("car", "miou"),
    }
    assert [cost.epsilon for cost in found.costs] == [0.0, 1.0]
    assert found.intervals["street"].endswith("in turn (jackknife)")


def test_the_numbers_of_a_row(tmp_path: Path) -> None:
    found = tables(tmp_path, {0.0: [1.0, 3.0], 1.0: [2.0, 6.0]})
    (row,) = [row for row in found.summary if row.metric == "rmse" and row.epsilon == 1.0]
    assert (row.value, row.clean, row.ratio) == pytest.approx((4.0, 2.0, 0.5))
    assert (row.direction, row.n_images, row.status) == ("lower", 2, "ok")


def test_a_failed_image_fails_its_cell_and_leaves_both_sides(tmp_path: Path) -> None:
    found = tables(tmp_path, {0.0: [1.0, 3.0], 1.0: [2.0, None]})
    (row,) = [row for row in found.summary if row.metric == "rmse" and row.epsilon == 1.0]
    assert (row.value, row.clean, row.n_images, row.status) == (2.0, 1.0, 1, "failed")


def test_what_is_unknown_is_none(tmp_path: Path) -> None:
    found = tables(tmp_path, {0.0: [1.0], 1.0: [None]})
    (row,) = [row for row in found.summary if row.metric == "rmse" and row.epsilon == 1.0]
    assert (row.value, row.clean, row.ratio, row.ratio_low, row.rms) == (None,) * 5
