"""The gain of training tasks together, on published numbers."""

from __future__ import annotations

import pytest

from robustbench_seg.results.delta import delta

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
def test_published_gains(name):
    miou, rmse, gain = TABLE_1[name]
    alone = dict(zip(("semantic", "depth"), SINGLE, strict=True))
    assert delta({"semantic": miou, "depth": rmse}, alone) == pytest.approx(gain, abs=0.011)


def test_tasks_without_a_single_task_model_do_not_count():
    assert delta({"semantic": 0.6, "detection": 0.3}, {"semantic": 0.5}) == pytest.approx(20.0)
    assert delta({"semantic": 0.5}, {"semantic": 0.5}) == 0
    assert delta({"detection": 0.3}, {"semantic": 0.5}) is None
