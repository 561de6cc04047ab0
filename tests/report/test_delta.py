from __future__ import annotations

import numpy as np
import pytest

from robustbench_seg.report.delta import Against, delta_mtl
from robustbench_seg.results.pair import ratio
from robustbench_seg.tasks.base import Metric

SINGLE = (64.96, 5.802)
TABLE_1 = {
    "MTL": (65.14, 5.890, -0.62),
    "PAD-Net": (73.86, 5.680, 7.90),
    "PAD-Net without auxiliary tasks": (73.47, 5.630, 8.03),
    "MTI-Net": (76.68, 5.129, 14.82),
    "MTI-Net without auxiliary tasks": (75.90, 5.163, 13.93),
    "Cross-stitch": (65.31, 5.743, 0.78),
    "MTAN": (65.70, 5.862, 0.05),
    "UniNet": (74.49, 5.379, 10.98),
}
"""UniNet 2021, table 1 on Cityscapes: mIoU, RMSE, Δ_MTL (for MTI-Net† the value that follows from the row)."""


@pytest.mark.parametrize("name", TABLE_1)
def test_published_rows(name):
    miou, rmse, delta = TABLE_1[name]
    found = delta_mtl([Against(miou, SINGLE[0], True), Against(rmse, SINGLE[1], False)])
    assert found == pytest.approx(delta, abs=0.011)


def test_the_single_models_have_no_gain_and_nothing_is_an_error():
    assert delta_mtl([Against(3.0, 3.0, True), Against(2.0, 2.0, False)]) == 0
    with pytest.raises(ValueError, match="at least one"):
        delta_mtl([])


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
    found = ratio(metric, np.array(attacked), np.full(2, clean))
    # The published values are rounded; .16 / .29 is .55 of rounded values.
    np.testing.assert_allclose(found, [first, second], atol=0.012)
