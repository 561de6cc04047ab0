"""Numbers of cells against numpy on the statistics themselves."""

from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.results.intervals import interval
from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.pair import CLEAN_VALUE, VALUE, pairs_of, ratio
from robustbench_seg.results.run import STORE
from robustbench_seg.results.store import Store
from robustbench_seg.tasks.base import Metric
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.semantic import Semantic
from tests.results.stored_runs import stored_run

CLEAN = [float(x) for x in np.linspace(1, 5, 12)]
ATTACKED = [2 * x + 0.1 * i for i, x in enumerate(CLEAN)]
KEY = CellKey("m", "street", "fgsm", "depth", "linf", 1.0)


def test_value_clean_and_q_with_each_image_left_out(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"m": {0.0: CLEAN, 1.0: ATTACKED}})
    weights = 1 - np.eye(12)
    with Store(run.folder / STORE, create=False) as store:
        (pair,) = pairs_of(store)
        values = pair.values(KEY, pair.tasks["depth"], range(12))
    samples = {
        VALUE: (weights @ ATTACKED) / 11,
        CLEAN_VALUE: (weights @ CLEAN) / 11,
        "ratio": (weights @ CLEAN) / (weights @ ATTACKED),
    }
    for quantity, expected in samples.items():
        found = values.sample("rmse", quantity)
        assert found.left_out == pytest.approx(expected)
        assert found.interval == pytest.approx(interval(found.value, expected))
    assert values.sample("rmse").value == pytest.approx(sum(CLEAN) / sum(ATTACKED))


def test_a_class_of_its_own(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"m": {0.0: [0.9] * 9, 1.0: [0.5] * 9}}, tasks=("semantic",))
    with Store(run.folder / STORE, create=False) as store:
        (pair,) = pairs_of(store)
        values = pair.values(KEY, pair.tasks["semantic"], range(9))
    assert values.labels("miou") == ["road", "car"]
    # Half of each class right: 50 of 150 pixels in the union.
    assert values.sample("miou", VALUE, "car").value == pytest.approx(1 / 3)


def test_images_that_failed_or_were_never_seen_clean_do_not_count(tmp_path: Path) -> None:
    clean: list[float | None] = [1.0, None, 1.0, 1.0]
    run = stored_run(tmp_path / "run", {"m": {0.0: clean, 1.0: [2.0, 2.0, None, 2.0]}})
    with Store(run.folder / STORE, create=False) as store:
        (pair,) = pairs_of(store)
        assert [result.image for result in pair.counted(KEY)] == [0, 3]


def test_q_is_inverted_where_lower_is_better() -> None:
    two, four, nothing = np.array([2.0]), np.array([4.0]), np.array([0.0])
    assert ratio(Semantic().metric("miou"), two, four) == 0.5
    assert ratio(Depth().metric("rmse"), four, two) == 0.5
    assert np.isnan(ratio(Semantic().metric("miou"), two, nothing))


# UniNet 2021, table 3: clean, hidden in segmentation, hidden in depth, and the published ratios.
TABLE_3 = {
    "detection": (True, 35.23, 8.95, 13.85, 0.25, 0.39),
    "instance": (True, 16.46, 2.83, 5.38, 0.17, 0.33),
    "semantic": (True, 77.75, 10.39, 49.31, 0.13, 0.63),
    "depth": (False, 5.02, 9.15, 35.20, 0.55, 0.14),
    "instance_depth": (False, 0.16, 0.29, 1.05, 0.54, 0.15),
}


@pytest.mark.parametrize("task", TABLE_3)
def test_published_ratios_invert_where_lower_is_better(task):
    higher, clean, *attacked, first, second = TABLE_3[task]
    metric = Metric("value", "Value", higher, "", "")
    shown = ratio(metric, np.array(attacked), np.full(2, clean))
    # The published values are rounded; .16 / .29 is .55 of rounded values.
    np.testing.assert_allclose(shown, [first, second], atol=0.012)
